# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays what was painted over a viewport: through the scene's view, behind what stands in front, inside the clipping region."""
from __future__ import annotations

import bpy
import gpu
import numpy as np

from . import shaders
from .painter import Painter, screen_triangle
from .traffic import draw
from .uniforms import View

NO_CUT = np.zeros((4, 4))


def composite(painted: Painter, view: View, origin: tuple[int, int], steps: tuple[float, ...], tables: tuple, *, depth_test: bool,
              through: float = 0.0, cut: np.ndarray = NO_CUT) -> None:
    """Lay what was painted over the framebuffer in use, behind what stands in front of it there; steps and tables as in ``viewing``.

    ``through`` is the share that is seen through what stands in front; ``cut`` (4, 4) holds planes, a row each, in the view's clip space:
    nothing is drawn on their negative side.
    """
    shader = shaders.composite_shader()
    writes_depth = gpu.state.depth_mask_get()
    gpu.state.blend_set("ALPHA_PREMULT")
    gpu.state.depth_mask_set(False)
    shader.bind()
    shader.uniform_sampler("blended_tex", painted.blended)
    shader.uniform_sampler("depth_tex", painted.depth)
    for name, table in zip(("inverse_tex", "view_tex"), tables, strict=True):
        shader.uniform_sampler(name, table if table is not None else painted.blended)     # whatever: it is not read then
    shader.uniform_float("steps", steps)
    shader.uniform_float("cut", tuple(cut.T.ravel()))
    # Of the projection only what makes a depth: z and w of a point on the axis.
    p = view.projection
    shader.uniform_float("to_depth", (p[2, 2], p[2, 3], p[3, 2], p[3, 3]))
    for test, share in (("LESS_EQUAL" if depth_test else "ALWAYS", 1.0), ("GREATER", through if depth_test else 0.0)):
        if share:
            gpu.state.depth_test_set(test)
            shader.uniform_float("place", (float(origin[0]), float(origin[1]), share))
            draw(screen_triangle(shader), shader)
    gpu.state.depth_test_set("NONE")
    gpu.state.depth_mask_set(writes_depth)
    gpu.state.blend_set("NONE")


def cutting_planes(region: bpy.types.RegionView3D, view: View) -> np.ndarray:
    """Return the four sides of the viewport's clipping region (Alt+B) in the view's clip space."""
    if not region.use_clip_planes:
        return NO_CUT
    return np.array(region.clip_planes)[:4] @ np.linalg.inv(view.projection @ view.from_world)


def seen_through(shading: bpy.types.View3DShading) -> float:
    """Return how much of the splats is seen through objects before them, which X-ray makes transparent; at most half, to see those too."""
    if shading.type == "SOLID" and shading.show_xray:
        return min(1.0 - shading.xray_alpha, 0.5)
    if shading.type == "WIREFRAME" and shading.show_xray_wireframe:
        return min(1.0 - shading.xray_alpha_wireframe, 0.5)
    return 0.0
