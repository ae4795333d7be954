# SPDX-License-Identifier: GPL-3.0-or-later
"""The render settings a splat needs, set in one step that says what it changed."""
from __future__ import annotations

from dataclasses import dataclass

import bpy

from .. import compat
from . import store

# A ray passes every film in front of the first opaque thing; about 106 splats cover a pixel of a 150K head.
# Minimum = maximum, or Cycles ends paths at random and leaves fireflies.
TRANSPARENT_BOUNCES = 256
# A splat carries its own low-pass, so one sample at the pixel's centre is the finished picture.
POINT_FILTER_WIDTH_PX = 0.01
FILM_FILTER_WIDTH_PX = 1.5
BLUR_SAMPLES = 32


@dataclass(frozen=True)
class Change:
    """One setting that was changed: its place in the interface, the value before and the value now."""

    setting: str
    before: object
    after: object

    def __str__(self) -> str:
        return f"{self.setting}: {self.before} -> {self.after}"


def prepare_render(scene: bpy.types.Scene, *, engine: str | None = None, transparent: bool | None = None) -> list[Change]:
    """Set what splats need in the scene's engine and return what was changed.

    ``engine`` is "CYCLES" or "EEVEE" (None keeps the scene's own; anything that is neither becomes Cycles),
    ``transparent`` sets film transparency where it is not None.
    """
    changes: list[Change] = []
    wanted = {"CYCLES": "CYCLES", "EEVEE": compat.EEVEE_ENGINE, None: scene.render.engine}[engine]
    if wanted not in ("CYCLES", compat.EEVEE_ENGINE):
        wanted = "CYCLES"
    for owner, name, label, value in _wanted_settings(scene, wanted, transparent):
        before = getattr(owner, name)
        if before != value:
            setattr(owner, name, value)
            changes.append(Change(label, before, value))
    # Cycles sorts along the ray by itself, and a changing order of vertices would ruin its motion blur.
    for root in store.splat_roots_in(scene):
        modifier = store.display_modifier(root)
        if modifier is not None and compat.get_modifier_input(modifier, "Sort") != (wanted != "CYCLES"):
            compat.set_modifier_input(modifier, "Sort", wanted != "CYCLES")
            changes.append(Change(f"{root.name}: sort", wanted == "CYCLES", wanted != "CYCLES"))
    return changes


def render_problems(scene: bpy.types.Scene) -> list[str]:
    """Return one sentence for each setting that would render the scene's splats wrongly; empty when all is well."""
    engine = scene.render.engine
    if engine not in ("CYCLES", compat.EEVEE_ENGINE):
        return [f"{engine.title()} does not draw splats: use Cycles or EEVEE."]
    return [f"{label} is {_shown(getattr(owner, name))}, splats need {_shown(value)}."
            for owner, name, label, value in _needed_settings(scene, engine) if not _good_enough(name, getattr(owner, name), value)]


def _wanted_settings(scene: bpy.types.Scene, engine: str, transparent: bool | None) -> list[tuple]:
    wanted = [(scene.render, "engine", "Render Engine", engine)]
    if transparent is not None:
        wanted.append((scene.render, "film_transparent", "Film > Transparent", transparent))
    blurred = _is_blurred(scene)
    wanted += _needed_settings(scene, engine)
    if engine == "CYCLES":
        wanted += [
            (scene.cycles, "samples", "Render > Max Samples", BLUR_SAMPLES if blurred else 1),
            (scene.cycles, "pixel_filter_type", "Film > Pixel Filter", "BLACKMAN_HARRIS"),
            (scene.cycles, "filter_width", "Film > Pixel Filter > Width", FILM_FILTER_WIDTH_PX if blurred else POINT_FILTER_WIDTH_PX),
        ]
    else:
        wanted += [
            (scene.eevee, "taa_render_samples", "Sampling > Render Samples", BLUR_SAMPLES if blurred else 1),
            (scene.render, "filter_size", "Film > Filter Size", FILM_FILTER_WIDTH_PX if blurred else POINT_FILTER_WIDTH_PX),
        ]
    return wanted


def _needed_settings(scene: bpy.types.Scene, engine: str) -> list[tuple]:
    """Return (owner, property, label, value) of the settings without which splats come out wrong."""
    if engine != "CYCLES":
        return []
    cycles = scene.cycles
    return [
        (cycles, "transparent_max_bounces", "Light Paths > Max Bounces > Transparent", TRANSPARENT_BOUNCES),
        (cycles, "min_transparent_bounces", "Light Paths > Min Transparent Bounces", TRANSPARENT_BOUNCES),
        (cycles, "use_denoising", "Sampling > Denoise", False),
        (cycles, "use_adaptive_sampling", "Sampling > Noise Threshold", False),
        (cycles, "max_bounces", "Light Paths > Max Bounces > Total", 0),
    ]


def _good_enough(name: str, value: object, needed: object) -> bool:
    """Light bounces of other objects are the artist's own business, and more transparent bounces are fine."""
    if name == "max_bounces":
        return True
    return value >= needed if name.endswith("bounces") else value == needed


def _is_blurred(scene: bpy.types.Scene) -> bool:
    camera = scene.camera.data if scene.camera is not None and scene.camera.type == "CAMERA" else None
    return scene.render.use_motion_blur or (camera is not None and camera.dof.use_dof)


def _shown(value: object) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
