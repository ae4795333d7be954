# SPDX-License-Identifier: GPL-3.0-or-later
"""The samples of our render engine, in the render properties where every engine has its own."""
from __future__ import annotations

import bpy

from ..gazesplat_addon.scene.render_settings import OWN_ENGINE


class GAZESPLAT_PT_sampling(bpy.types.Panel):
    """Samples, film filter and shutter."""

    bl_label = "Sampling"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "render"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.render.engine == OWN_ENGINE

    def draw(self, context: bpy.types.Context) -> None:
        render, settings = context.scene.render, context.scene.gazesplat_render
        self.layout.use_property_split = True
        self.layout.prop(settings, "samples")
        self.layout.prop(settings, "blur_samples")
        self.layout.prop(render, "filter_size", text="Film Filter")
        self.layout.prop(render, "use_motion_blur")
        shutter = self.layout.column()
        shutter.active = render.use_motion_blur
        shutter.prop(render, "motion_blur_position", text="Position")
        shutter.prop(render, "motion_blur_shutter", text="Shutter")
        self.layout.prop(context.scene.render, "film_transparent", text="Transparent")
