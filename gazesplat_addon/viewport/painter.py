# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws portraits into textures of their own: pose and project every splat once, then blend quads far to near.

Two kinds of draw calls: one a portrait that poses and projects (a fragment a splat), one for all quads. A third, where the order is
new, puts the eyes' splats among the others.
Blending happens in the splats' own display values, which is what they were fitted in.
"""
from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..nodes.ewa_quads import NEAR_M
from ..rig.parts import SIDES
from ..rig.pose import PosableMeans
from ..rig.sidecar import EyeRig
from . import shaders
from .order import Order, Placed, Sortable, Sorter
from .traffic import COLUMNS, UniformBlock, draw, rows_of, splat_texture
from .uniforms import View, portrait_uniforms

# No pose takes a splat of an eye farther.
EYE_TRAVEL_M = 0.05

# Numbers that are never given twice, unlike id().
_serials = itertools.count()


class HeldSplats:
    """One portrait's splats on the graphics card, sent once."""

    def __init__(self, arrays: Mapping[str, np.ndarray], rigs: Mapping[str, EyeRig]) -> None:
        """Send arrays by the names of ``splat.arrays.Splats``, ``sh_rest`` where the degree is above 0, and ``groups``."""
        self.serial = next(_serials)
        groups = arrays["groups"]
        moves = np.isin(groups // 10, [SIDES[side] for side in rigs])
        moving = np.flatnonzero(moves)
        self.count = len(groups)
        self.rigs = dict(rigs)
        self.radius_m = float(np.sqrt(np.square(arrays["means"]).sum(1).max(initial=0.0)))
        posable = PosableMeans(arrays["means"][moving], groups[moving], self.rigs) if len(moving) else None
        self.sortable = Sortable(arrays["means"], moving, np.flatnonzero(~moves), posable)
        rotations = arrays["rotations"] / np.linalg.norm(arrays["rotations"], axis=1, keepdims=True)
        rest = arrays.get("sh_rest")
        self.coefficients = 0 if rest is None else rest.shape[1]
        texels = np.zeros((1, 1, 4), np.float32) if rest is None else np.pad(rest, ((0, 0), (0, 0), (0, 1)))
        self.textures = {
            "means": splat_texture(np.column_stack([arrays["means"], arrays["opacities"]]), "RGBA32F"),
            "rotations": splat_texture(rotations, "RGBA32F"),
            "scales": splat_texture(np.column_stack([arrays["scales"], groups]), "RGBA32F"),
            "colours": splat_texture(np.pad(arrays["colours"], ((0, 0), (0, 1))), "RGBA32F"),
            "sh_rest": splat_texture(texels, "RGBA16F"),
        }


@dataclass(frozen=True)
class Shown:
    """One portrait in one frame: splats, portrait -> world (4, 4), pose of each eye, rasteriser settings."""

    splats: HeldSplats
    to_world: np.ndarray
    eyes: Mapping[str, Sequence[float]]
    settings: Mapping[str, float]


def before_all(view: View, portraits: Sequence[Shown]) -> View:
    """Return a parallel view from a place before every splat: in Blender's own ones the viewer stands in the midst of what is seen."""
    back = 0.0
    for one in portraits:
        to_view = view.from_world @ one.to_world
        reach = (one.splats.radius_m + EYE_TRAVEL_M) * np.linalg.norm(to_view[:3, :3], 2)
        back = max(back, reach + to_view[2, 3] + NEAR_M)
    return view.moved_back(back) if back else view


class Painter:
    """The passes of one view, and what they keep between frames."""

    def __init__(self) -> None:
        self.sorter = Sorter()
        self.blended: gpu.types.GPUTexture | None = None
        self.depth: gpu.types.GPUTexture | None = None
        self.projected: list[gpu.types.GPUTexture] = []
        self.order: gpu.types.GPUTexture | None = None       # cells, farthest first
        self._sorted: tuple[Order, gpu.types.GPUTexture, gpu.types.GPUTexture] | None = None    # with both parts on the card
        self._merged: Order | None = None
        self._order_target: gpu.types.GPUFrameBuffer | None = None
        self._blocks: list[UniformBlock] = []
        self._blend_target: gpu.types.GPUFrameBuffer | None = None
        self._project_target: gpu.types.GPUFrameBuffer | None = None

    def paint(self, view: View, portraits: Sequence[Shown], *, scene_linear: bool = False, wait: bool = False) -> None:
        """Draw portraits into ``blended`` (premultiplied, display values or scene-linear) and ``depth`` (metres times alpha).

        With ``wait`` they are sorted before they are drawn, not beside it.
        """
        firsts, rows = _cells(portraits)
        buffers = self.prepare(view, portraits, scene_linear=scene_linear, wait=wait)
        self.merge()
        self._project(portraits, buffers, firsts, rows)
        self._blend(view, self._merged.count, portraits[0].settings.get("alpha_cap", 0.99))

    def prepare(self, view: View, portraits: Sequence[Shown], *, scene_linear: bool = False,
                wait: bool = False) -> list[gpu.types.GPUUniformBuf]:
        """Send what a change of pose or view changes, and return the uniforms of each portrait."""
        firsts, _ = _cells(portraits)
        placed = [Placed(one.splats.sortable, first, one.eyes, view.from_world @ one.to_world)
                  for one, first in zip(portraits, firsts, strict=True)]
        order = self.sorter.order(tuple(one.to_view.tobytes() for one in placed),
                                  tuple((side, tuple(pose)) for one in portraits for side, pose in one.eyes.items()),
                                  tuple(one.splats.serial for one in portraits), placed, wait=wait)
        if self._sorted is None or self._sorted[0] is not order:
            kept = self._sorted is not None and self._sorted[0].still is order.still
            still = self._sorted[1] if kept else splat_texture(order.still.cells[:, None], "R32F")
            self._sorted = order, still, splat_texture(order.moving, "RG32F")
        while len(self._blocks) < len(portraits):
            self._blocks.append(UniformBlock())
        return [block.write(portrait_uniforms(one.splats.rigs, one.eyes, one.to_world, view, first_cell=first, count=one.splats.count,
                                              coefficients=one.splats.coefficients, scene_linear=scene_linear, settings=one.settings))
                for one, first, block in zip(portraits, firsts, self._blocks, strict=False)]

    def merge(self) -> None:
        """Write the newest order's cells into ``order``, unless they are there."""
        order, still, moving = self._sorted
        if self._merged is order:
            return
        rows = rows_of(order.count)
        if self.order is None or self.order.height != rows:
            self.order = gpu.types.GPUTexture((COLUMNS, rows), format="R32F")
            self._order_target = gpu.types.GPUFrameBuffer(color_slots=[self.order])
        shader = shaders.merge_shader()
        gpu.state.blend_set("NONE")
        gpu.state.depth_test_set("NONE")
        with self._order_target.bind():
            shader.bind()
            shader.uniform_sampler("still", still)
            shader.uniform_sampler("moving", moving)
            shader.uniform_int("counts", (max(len(order.still.cells), 1), len(order.moving)))
            draw(screen_triangle(shader), shader)
        self._merged = order

    def _project(self, portraits: Sequence[Shown], buffers: Sequence[gpu.types.GPUUniformBuf], firsts: Sequence[int], rows: int) -> None:
        if not self.projected or self.projected[0].height < rows:
            self.projected = [gpu.types.GPUTexture((COLUMNS, rows), format="RGBA32F") for _ in range(3)]
            self._project_target = gpu.types.GPUFrameBuffer(color_slots=self.projected)
        shader = shaders.project_shader()
        gpu.state.blend_set("NONE")
        gpu.state.depth_test_set("NONE")
        with self._project_target.bind():
            for one, first, buffer in zip(portraits, firsts, buffers, strict=True):
                shader.bind()
                shader.uniform_block("portrait", buffer)
                for name, texture in one.splats.textures.items():
                    shader.uniform_sampler(name, texture)
                gpu.state.viewport_set(0, first // COLUMNS, COLUMNS, rows_of(one.splats.count))
                draw(screen_triangle(shader), shader)

    def _blend(self, view: View, total: int, alpha_cap: float) -> None:
        size = (view.width, view.height)
        if self.blended is None or (self.blended.width, self.blended.height) != size:
            # Half floats would do on the screen but not in sum: a hundred layers add up to 2/255.
            self.blended = gpu.types.GPUTexture(size, format="RGBA32F")
            self.depth = gpu.types.GPUTexture(size, format="R32F")
            self._blend_target = gpu.types.GPUFrameBuffer(color_slots=(self.blended, self.depth))
        shader = shaders.quads_shader()
        with self._blend_target.bind():
            self._blend_target.clear(color=(0.0, 0.0, 0.0, 0.0))
            gpu.state.blend_set("ALPHA_PREMULT")
            shader.bind()
            shader.uniform_sampler("order", self.order)
            for name, texture in zip(("placed_tex", "axes_tex", "painted_tex"), self.projected, strict=True):
                shader.uniform_sampler(name, texture)
            shader.uniform_float("picture", (view.width, view.height, alpha_cap, 0.0))
            shader.uniform_int("total", total)
            draw(_quads(shader), shader, -(-total // shaders.QUADS))
            gpu.state.blend_set("NONE")


def _cells(portraits: Sequence[Shown]) -> tuple[list[int], int]:
    """Return each portrait's first cell, at the beginning of a row, and how many rows all take."""
    rows = [rows_of(one.splats.count) for one in portraits]
    return [COLUMNS * sum(rows[:k]) for k in range(len(rows))], sum(rows)


_batches: dict[str, gpu.types.GPUBatch] = {}


def screen_triangle(shader: gpu.types.GPUShader) -> gpu.types.GPUBatch:
    """Return a triangle that covers the picture."""
    if "screen" not in _batches:
        _batches["screen"] = batch_for_shader(shader, "TRIS", {"corner": [(-1.0, -1.0, 0.0), (3.0, -1.0, 0.0), (-1.0, 3.0, 0.0)]})
    return _batches["screen"]


def _quads(shader: gpu.types.GPUShader) -> gpu.types.GPUBatch:
    """Return ``QUADS`` quads: each corner knows its place and the number of its quad."""
    if "quads" not in _batches:
        corners = [(x, y, quad) for quad in range(shaders.QUADS) for x, y in ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))]
        triangles = [(4 * quad + a, 4 * quad + b, 4 * quad + c) for quad in range(shaders.QUADS) for a, b, c in ((0, 1, 2), (0, 2, 3))]
        _batches["quads"] = batch_for_shader(shader, "TRIS", {"corner": corners}, indices=triangles)
    return _batches["quads"]


def forget_batches() -> None:
    """Let go of the shared geometry."""
    _batches.clear()
