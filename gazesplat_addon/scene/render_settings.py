# SPDX-License-Identifier: GPL-3.0-or-later
"""The render settings a splat needs, set in one step that says what it changed."""
from __future__ import annotations

import bpy
from mathutils import Matrix

from .. import compat
from ..nodes.attributes import LINEAR
from . import colour, store
from .changes import Change, set_property, shown

# A ray passes every film in front of the first opaque thing: some 106 of a head of 150K, but along a cheek, through lids and lashes or
# in a small picture several hundred, and 256 cost such pixels 20-60 dB. Rays that meet fewer cost nothing more. Cycles takes no more than
# this. Minimum = maximum, or Cycles ends paths at random and leaves fireflies.
TRANSPARENT_BOUNCES = 1024
# A splat carries its own low-pass, so one sample at the pixel's centre is the finished picture.
POINT_FILTER_WIDTH_PX = 0.01
FILM_FILTER_WIDTH_PX = 1.5
BLUR_SAMPLES = 32
AT_REST = 1e-6              # of a matrix: an instance this near stands where the original does
OWN_ENGINE = "GAZESPLAT"    # draws splats in their own colours and needs none of what the others need
_SEEN_TYPES = {"MESH", "CURVE", "CURVES", "SURFACE", "META", "FONT", "VOLUME", "POINTCLOUD", "GREASEPENCIL"}


def prepare_render(scene: bpy.types.Scene, *, engine: str | None = None, transparent: bool | None = None) -> list[Change]:
    """Set what splats need in the scene's engine and return what was changed.

    ``engine`` is "CYCLES" or "EEVEE" (None keeps the scene's own; anything that is neither becomes Cycles),
    ``transparent`` sets film transparency where it is not None.
    """
    changes: list[Change] = []
    wanted = {"CYCLES": "CYCLES", "EEVEE": compat.EEVEE_ENGINE, None: scene.render.engine}[engine]
    if wanted not in ("CYCLES", compat.EEVEE_ENGINE):
        wanted = "CYCLES"
    for setting in _wanted_settings(scene, wanted, transparent):
        change = set_property(*setting)
        if change is not None:
            changes.append(change)
    # Cycles sorts along the ray by itself, and a changing order of vertices would ruin its motion blur.
    for root in store.splat_roots_in(scene):
        modifier = store.display_modifier(root)
        if modifier is not None and compat.get_modifier_input(modifier, "Sort") != (wanted != "CYCLES"):
            compat.set_modifier_input(modifier, "Sort", wanted != "CYCLES")
            changes.append(Change(f"{root.name}: sort", wanted == "CYCLES", wanted != "CYCLES"))
    return changes


def render_problems(scene: bpy.types.Scene) -> list[str]:
    """Return one sentence for each thing that would render the scene's splats wrongly; empty when all is well."""
    engine, roots = scene.render.engine, store.splat_roots_in(scene)
    if not roots or store.plate_of(scene) is not None:
        return []
    if engine == OWN_ENGINE:
        twice = ["The compositor decodes colours that this engine delivers decoded: set up the render again."]
        return (twice if colour.colour_mode(scene) == colour.EXACT else []) + colour.exact_colour_problems(scene)
    if engine not in ("CYCLES", compat.EEVEE_ENGINE):
        return [f"{engine.replace('_', ' ').title()} does not draw splats: use Cycles or EEVEE."]
    problems = [f"{label} is {shown(getattr(owner, name))}, splats need {shown(value)}."
                for owner, name, value, label in _needed_settings(scene, engine)
                if getattr(owner, name) != value]
    sorts = [compat.get_modifier_input(m, "Sort") for m in map(store.display_modifier, roots) if m is not None]
    if engine == "CYCLES" and any(sorts) and scene.render.use_motion_blur:
        problems.append("Sorted splats smear under motion blur in Cycles: set up the render again.")
    if engine != "CYCLES":
        if not all(sorts):
            problems.append("EEVEE needs sorted splats: set up the render again.")
        if len(roots) > 1:
            problems.append("EEVEE sorts every portrait as a whole: where portraits overlap, use Cycles.")
    problems += [f"{instance.name} is an instance of a portrait in another place, which would be drawn as seen from the original's: "
                 "use Duplicate Portrait (portrait.duplicate()) instead." for instance in _displaced_instances(scene)]
    mode = colour.colour_mode(scene)
    if mode is None:
        problems.append("The scene's colour settings do not fit its splats: set up the render again.")
    elif mode == colour.SCENE_LINEAR:
        problems += [f"{root.name} has no colours for linear light and comes out brighter: refit it, or choose exact colour."
                     for root in roots if not _is_refitted(root)]
    elif mode == colour.EXACT:
        problems += colour.exact_colour_problems(scene)
        if shows_other_things(scene):
            problems.append("Exact colour decodes the whole picture: render other objects in a view layer of their own, "
                            "or choose scene-linear colour.")
    return problems


def refitted(scene: bpy.types.Scene) -> bool:
    """Return whether all splats of the scene have colours for blending linear light."""
    return all(map(_is_refitted, store.splat_roots_in(scene)))


def _is_refitted(root: bpy.types.Object) -> bool:
    mesh = store.splats_of(root)
    return mesh is None or LINEAR in mesh.attributes


def _wanted_settings(scene: bpy.types.Scene, engine: str, transparent: bool | None) -> list[tuple]:
    wanted = [(scene.render, "engine", engine, "Render Engine")]
    if transparent is not None:
        wanted.append((scene.render, "film_transparent", transparent, "Film > Transparent"))
    blurred = _is_blurred(scene)
    wanted += _needed_settings(scene, engine)
    if engine == "CYCLES":
        wanted += [
            (scene.cycles, "samples", BLUR_SAMPLES if blurred else 1, "Render > Max Samples"),
            (scene.cycles, "pixel_filter_type", "BLACKMAN_HARRIS", "Film > Pixel Filter"),
            (scene.cycles, "filter_width", FILM_FILTER_WIDTH_PX if blurred else POINT_FILTER_WIDTH_PX, "Film > Pixel Filter > Width"),
        ]
    else:
        wanted += [
            (scene.eevee, "taa_render_samples", BLUR_SAMPLES if blurred else 1, "Sampling > Render Samples"),
            (scene.render, "filter_size", FILM_FILTER_WIDTH_PX if blurred else POINT_FILTER_WIDTH_PX, "Film > Filter Size"),
        ]
    return wanted


def _needed_settings(scene: bpy.types.Scene, engine: str) -> list[tuple]:
    """Return (owner, property, value, place in the interface) of the settings without which splats come out wrong."""
    if engine != "CYCLES":
        return _eevee_blur_settings(scene)
    cycles = scene.cycles
    return [
        (cycles, "transparent_max_bounces", TRANSPARENT_BOUNCES, "Light Paths > Max Bounces > Transparent"),
        (cycles, "min_transparent_bounces", TRANSPARENT_BOUNCES, "Light Paths > Min Transparent Bounces"),
        (cycles, "use_denoising", False, "Sampling > Denoise"),
        (cycles, "use_adaptive_sampling", False, "Sampling > Noise Threshold"),
    ]


def _eevee_blur_settings(scene: bpy.types.Scene) -> list[tuple]:
    """Return what makes EEVEE blur by drawing the splats again and again: its cheaper ways go by depths and speeds that films lack."""
    eevee, settings = scene.eevee, []
    if _camera_blurs(scene):
        settings += [(eevee, "use_bokeh_jittered", True, "Depth of Field > Jitter Camera"),
                     (eevee, "bokeh_overblur", 0.0, "Depth of Field > Over-blur")]
    if scene.render.use_motion_blur:
        settings.append((eevee, "motion_blur_steps", BLUR_SAMPLES, "Motion Blur > Steps"))
    return settings


def shows_other_things(scene: bpy.types.Scene) -> bool:
    """Return whether anything but splats and holdouts is rendered."""
    return any(o.type in _SEEN_TYPES and not o.hide_render and not o.is_holdout and store.root_of(o) is None for o in scene.objects)


def _is_blurred(scene: bpy.types.Scene) -> bool:
    return scene.render.use_motion_blur or _camera_blurs(scene)


def _camera_blurs(scene: bpy.types.Scene) -> bool:
    camera = scene.camera.data if scene.camera is not None and scene.camera.type == "CAMERA" else None
    return camera is not None and camera.dof.use_dof


def _displaced_instances(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Return the collection instances that show splats elsewhere: the quads are made for the place of the carrier itself."""
    return [o for o in scene.objects if o.instance_type == "COLLECTION" and o.instance_collection is not None and not o.hide_render
            and any(store.is_root(one) for one in o.instance_collection.all_objects)
            and not _is_at_rest(o.matrix_world @ Matrix.Translation(-o.instance_collection.instance_offset))]


def _is_at_rest(matrix: Matrix) -> bool:
    return all(abs(a - b) < AT_REST for row, still in zip(matrix, Matrix(), strict=True) for a, b in zip(row, still, strict=True))
