# SPDX-License-Identifier: GPL-3.0-or-later
"""Nouns: the sidebar tab GazeSplat in the 3D view, and our engine's render properties.

``draw`` only: panels name operators by idname and write nothing.
"""
from __future__ import annotations

import bpy

from . import menus
from .backend import GAZESPLAT_PT_backend
from .eyes import GAZESPLAT_PT_eyes
from .farm import GAZESPLAT_PT_farm
from .motion import GAZESPLAT_PT_generators, GAZESPLAT_PT_layers, GAZESPLAT_PT_motion
from .next_step import GAZESPLAT_PT_next_step
from .origin import GAZESPLAT_PT_origin
from .photo import GAZESPLAT_PT_another, GAZESPLAT_PT_another_consent, GAZESPLAT_PT_consent, GAZESPLAT_PT_photo
from .render import GAZESPLAT_PT_among_others, GAZESPLAT_PT_render
from .sampling import GAZESPLAT_PT_sampling

# In the order in which they stand in the sidebar.
CLASSES = (GAZESPLAT_PT_next_step, GAZESPLAT_PT_photo, GAZESPLAT_PT_consent, GAZESPLAT_PT_eyes, GAZESPLAT_PT_motion,
           GAZESPLAT_PT_layers, GAZESPLAT_PT_generators, GAZESPLAT_PT_render, GAZESPLAT_PT_among_others, GAZESPLAT_PT_farm,
           GAZESPLAT_PT_origin, GAZESPLAT_PT_another, GAZESPLAT_PT_another_consent, GAZESPLAT_PT_backend, GAZESPLAT_PT_sampling)

_register, _unregister = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    """Add the panels, then our lines in Blender's menus."""
    _register()
    menus.register()


def unregister() -> None:
    """Take both away."""
    menus.unregister()
    _unregister()
