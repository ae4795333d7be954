# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine asks an artist: which extra passes a view layer has."""
from __future__ import annotations

import bpy


class GazeSplatLayerSettings(bpy.types.PropertyGroup):
    """``view_layer.gazesplat``: saved in the file."""

    use_pass_mattes: bpy.props.BoolProperty(
        name="Mattes", default=False,
        description="Deliver a pass each with the coverage of head, irises, scleras and lids; together they are the splats' alpha")


def register() -> None:
    """Add ``view_layer.gazesplat``."""
    bpy.utils.register_class(GazeSplatLayerSettings)
    bpy.types.ViewLayer.gazesplat = bpy.props.PointerProperty(type=GazeSplatLayerSettings)


def unregister() -> None:
    """Remove it; what a file holds of it stays in the file."""
    del bpy.types.ViewLayer.gazesplat
    bpy.utils.unregister_class(GazeSplatLayerSettings)
