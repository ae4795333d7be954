# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine asks an artist: how many samples a picture has, and which extra passes a view layer has."""
from __future__ import annotations

import bpy


class GazeSplatLayerSettings(bpy.types.PropertyGroup):
    """``view_layer.gazesplat``: saved in the file."""

    use_pass_mattes: bpy.props.BoolProperty(
        name="Mattes", default=False,
        description="Deliver a pass each with the coverage of head, irises, scleras and lids; together they are the splats' alpha")


class GazeSplatRenderSettings(bpy.types.PropertyGroup):
    """``scene.gazesplat_render``: saved in the file."""

    samples: bpy.props.IntProperty(
        name="Samples", default=1, min=1, soft_max=64, max=4096,
        description="Of a picture without blur. One shows the splats as they were fitted, at every pixel's centre; "
                    "more are spread over the film's filter")
    blur_samples: bpy.props.IntProperty(
        name="Blur Samples", default=32, min=2, soft_max=256, max=1024,
        description="Of a picture with motion blur or depth of field: moments while the shutter is open, points on the lens")


def register() -> None:
    """Add ``view_layer.gazesplat`` and ``scene.gazesplat_render``."""
    bpy.utils.register_class(GazeSplatRenderSettings)
    bpy.types.Scene.gazesplat_render = bpy.props.PointerProperty(type=GazeSplatRenderSettings)
    bpy.utils.register_class(GazeSplatLayerSettings)
    bpy.types.ViewLayer.gazesplat = bpy.props.PointerProperty(type=GazeSplatLayerSettings)


def unregister() -> None:
    """Remove both; what a file holds of them stays in the file."""
    del bpy.types.Scene.gazesplat_render
    bpy.utils.unregister_class(GazeSplatRenderSettings)
    del bpy.types.ViewLayer.gazesplat
    bpy.utils.unregister_class(GazeSplatLayerSettings)
