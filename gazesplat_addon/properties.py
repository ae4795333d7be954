# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel remembers in a scene: the photo, and the settings of the motion to come.

A portrait's own settings are custom properties of its root object, so that a file works without the extension.
"""
from __future__ import annotations

import bpy

from .gaze import presets
from .gaze.states import STATES
from .preferences import user_folder

QUALITY_ITEMS = (
    ("draft", "Draft", "Fewer splats, for a first look"),
    ("standard", "Standard", "As many splats as a render at 1080p shows"),
    ("high", "High", "As many splats as the photo's pixels justify; slower to render"),
)
_STATE_TIPS = {
    "talking": "Long looks at the other, frequent glances away, 26 blinks a minute",
    "listening": "Steady looks at the other, short glances away",
    "thinking": "Looks away most of the time, often up",
    "reading": "Along lines of text and back, few blinks",
    "staring": "Fixed on the target, hardly moving",
}
GAZE_STATE_ITEMS = tuple((name, name.capitalize(), _STATE_TIPS[name]) for name in STATES)


# Blender does not keep the strings that a function of items returns; dropping them shows rubbish in the menu.
_kept_items: list[tuple[str, str, str]] = []


def motion_preset_items(_owner: object, _context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    """Return the motion presets as items of a menu: ours, and those of the artist's folder that can be used."""
    found = presets.usable(user_folder() / "presets")
    _kept_items[:] = [(name, preset.label, preset.description) for name, preset in found.items()]
    return _kept_items


class GazeSplatSceneSettings(bpy.types.PropertyGroup):
    """``scene.gazesplat``: settings of the panel, saved in the file."""

    photo: bpy.props.StringProperty(
        name="Photo", subtype="FILE_PATH",
        description="One face, looking at the camera with open eyes, evenly lit and sharp: the larger the better")
    quality: bpy.props.EnumProperty(name="Quality", items=QUALITY_ITEMS, default="standard",
                                    description="How many splats, and how long it takes")
    person: bpy.props.StringProperty(name="Person", description="Who the picture shows; it travels with the portrait and its exports")
    consent: bpy.props.StringProperty(
        name="Consent", description="What this person has agreed to, and where it is written: a face is personal. It travels with the "
                                    "portrait and its exports")
    seed: bpy.props.IntProperty(name="Seed", default=0, min=0,
                                description="The same seed gives the same motion, key by key; try others until you like one")
    motion_preset: bpy.props.EnumProperty(name="Preset", items=motion_preset_items, description="How the person is there")
    state: bpy.props.EnumProperty(name="State", items=GAZE_STATE_ITEMS, default="listening",
                                  description="What the person is doing decides how often and how far the eyes move")
    attention: bpy.props.FloatProperty(name="Attention", default=0.85, min=0.0, max=1.0, subtype="FACTOR",
                                       description="How snappily the eyes follow live: 0 drifts over gently, 1 darts at once")
    blinks_per_minute: bpy.props.FloatProperty(name="Blinks per Minute", default=17.0, min=0.0, max=90.0, soft_max=40.0,
                                               description="People at rest blink 17 times a minute, talking 26, reading 4.5")


def register() -> None:
    """Add ``scene.gazesplat``."""
    bpy.utils.register_class(GazeSplatSceneSettings)
    bpy.types.Scene.gazesplat = bpy.props.PointerProperty(type=GazeSplatSceneSettings)


def unregister() -> None:
    """Remove it; what a file holds of it stays in the file."""
    del bpy.types.Scene.gazesplat
    bpy.utils.unregister_class(GazeSplatSceneSettings)
