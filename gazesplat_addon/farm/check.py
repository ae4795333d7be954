# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm doctor: would a machine that never heard of GazeSplat, scripts switched off, render this scene as it is seen here?

It needs no registered extension, so pipelines can ask it too (``doctor.py``).
"""
from __future__ import annotations

from collections.abc import Iterable

import bpy

from .. import compat
from ..scene import colour, portrait_object, render_settings, splat_plate, store, upgrade
from . import file_data, splat_data
from .finding import FarmCheck, FarmFinding

_BLENDERS_OWN = ("CYCLES", compat.EEVEE_ENGINE, "BLENDER_WORKBENCH")


def check(scene: bpy.types.Scene, *, roots: Iterable[bpy.types.Object] | None = None, fix: bool = False) -> FarmCheck:
    """Examine a scene and return the findings; ``fix`` mends first what can be mended by itself.

    ``roots`` are the portraits whose splats are looked at, default: all of the scene.
    """
    roots = list(store.splat_roots_in(scene) if roots is None else roots)
    mended: list[str] = []
    if fix:
        for code in dict.fromkeys(finding.code for finding in _to_mend(scene, roots)):
            # Asked again each time: setting up the engine may have settled the next one too.
            mended += [line for finding in _to_mend(scene, roots) if finding.code == code for line in finding.mend()]
    return FarmCheck(scene.name, tuple(_examine(scene, roots)), tuple(mended))


def _to_mend(scene: bpy.types.Scene, roots: list[bpy.types.Object]) -> list[FarmFinding]:
    return [one for one in _examine(scene, roots) if one.holds is False and one.mend is not None]


def _examine(scene: bpy.types.Scene, roots: list[bpy.types.Object]) -> list[FarmFinding]:
    return [_engine(scene), _settings(scene, roots), _camera(scene), *file_data.findings(scene), *splat_data.findings(roots),
            *_old_portraits(roots)]


def _old_portraits(roots: list[bpy.types.Object]) -> list[FarmFinding]:
    return [FarmFinding("portrait-old", None, f"{root.name} shows as an earlier GazeSplat built it, so that shots in progress stay alike.",
                        "portrait.upgrade() brings the newest.") for root in roots if upgrade.is_old(root)]


def _engine(scene: bpy.types.Scene) -> FarmFinding:
    if store.plate_of(scene) is not None:
        return FarmFinding("engine", False, "The splat plate is rendered by GazeSplat's engine, which a farm without GazeSplat lacks.",
                           "Remove the plate and render with Cycles in scene-linear colour, or install GazeSplat and its backend there.",
                           lambda: _without_plate(scene))
    if scene.render.engine in _BLENDERS_OWN:
        return FarmFinding("engine", True, f"{scene.render.engine.replace('_', ' ').title()} renders on any machine with Blender.")
    wanted = "needs GazeSplat and its backend" if scene.render.engine == render_settings.OWN_ENGINE else "is no engine of Blender's own"
    return FarmFinding("engine", False, f"The render engine {scene.render.engine or '(unknown)'} {wanted}.",
                       "Set up the render for Cycles or EEVEE.", lambda: _set_up(scene, "CYCLES"))


def _settings(scene: bpy.types.Scene, roots: list[bpy.types.Object]) -> FarmFinding:
    problems = render_settings.render_problems(scene)
    if not roots:
        return FarmFinding("settings", None, "The scene shows no splats.")
    if not problems:
        return FarmFinding("settings", True, "Colour, light paths and samples are saved in the scene as splats need them.")
    return FarmFinding("settings", False, " ".join(problems), "Set up the render again.", lambda: _set_up(scene, None))


def _camera(scene: bpy.types.Scene) -> FarmFinding:
    if scene.camera is None:
        return FarmFinding("camera", False, "The scene has no camera.", "Add one, or choose one in the scene's properties.")
    return FarmFinding("camera", True, f"The camera is {scene.camera.name}.")


def _set_up(scene: bpy.types.Scene, engine: str | None) -> list[str]:
    """Set up the render as the scene suits it: exact colour for splats alone, scene-linear beside other things."""
    root = next(iter(store.splat_roots_in(scene)), None)
    if root is None:
        scene.render.engine = "CYCLES"
        return ["Render Engine: Cycles"]
    linear = colour.colour_mode(scene) == colour.SCENE_LINEAR and render_settings.refitted(scene)
    mode = colour.SCENE_LINEAR if linear or render_settings.shows_other_things(scene) else colour.EXACT
    return [str(change) for change in portrait_object.set_up_render(root, scene, engine=engine, colour_mode=mode)]


def _without_plate(scene: bpy.types.Scene) -> list[str]:
    splat_plate.remove(scene)
    root = store.splat_roots_in(scene)[0]
    changes = portrait_object.set_up_render(root, scene, engine=None, colour_mode=colour.SCENE_LINEAR)
    return ["Splat plate: removed", *map(str, changes)]
