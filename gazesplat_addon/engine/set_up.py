# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings with which this engine's pictures show the fitted colours."""
from __future__ import annotations

import bpy

from ...backend.contract.errors import GazeSplatError
from ..scene import colour
from ..scene.changes import Change, set_property
from ..scene.render_settings import OWN_ENGINE as ENGINE


def _wanted(scene: bpy.types.Scene) -> list[tuple[bpy.types.bpy_struct, str, object, str]]:
    """Return (owner, property, value, place in the interface)."""
    view = scene.view_settings
    return [
        (view, "view_transform", "Standard", "Color Management > View Transform"),
        (view, "look", "None", "Color Management > Look"),
        (view, "exposure", 0.0, "Color Management > Exposure"),
        (view, "gamma", 1.0, "Color Management > Gamma"),
        (view, "use_curve_mapping", False, "Color Management > Curves"),
        (scene.render, "dither_intensity", 0.0, "Post Processing > Dither"),
    ]


def prepare(scene: bpy.types.Scene) -> list[Change]:
    """Choose the engine and a view that shows its colours as they are; return what was changed.

    The compositor group that decodes other engines' pictures goes: these come decoded. Raises GazeSplatError
    ``no-engine`` where the extension is imported without being enabled.
    """
    try:
        changes = [set_property(scene.render, "engine", ENGINE, "Render Engine")]
    except TypeError as error:
        raise GazeSplatError("no-engine", "GazeSplat's render engine is not registered.",
                             "Enable the extension in the preferences.") from error
    changes += [set_property(*setting) for setting in _wanted(scene)]
    if colour.remove_decoder(scene):
        changes.append(Change("Compositor", colour.GROUP_NAME, "render layers"))
    return [change for change in changes if change is not None]
