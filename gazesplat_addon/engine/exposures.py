# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture is drawn from: the scene at every moment that its samples need, and the rays of the samples."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from . import sampling
from .portraits import SeenPortrait, seen_portraits
from .view import Lens, View, view_of
from .worker_client import HeldSplats


@dataclass(frozen=True)
class Moment:
    """The scene as one view of the camera sees it at one time."""

    view: View
    seen: list[SeenPortrait]

    def as_request(self, top: int, height: int) -> dict:
        """Return the fields of a ``draw`` message that may differ from sample to sample, for some rows of the picture."""
        focus = {"focus_m": self.view.lens.focus_m} if self.view.lens is not None else {}
        return {"camera": self.view.rows(top, height), "portraits": [one.as_request() for one in self.seen], **focus}


@dataclass(frozen=True)
class Exposed:
    """One picture: its moments, and its rays [moment, pixel x, y, lens x, y] as in docs/engine.md, None for the pixels' centres."""

    moments: list[Moment]
    rays: list[list] | None

    @property
    def view(self) -> View:
        """The first moment's view: all have one size."""
        return self.moments[0].view

    def portraits(self) -> dict[str, HeldSplats]:
        """Return all splats that are seen, by digest."""
        return {one.splats.digest: one.splats for moment in self.moments for one in moment.seen}

    def as_request(self, top: int, height: int) -> dict:
        """Return the ``draw`` message for some rows. Rasteriser settings are those of the first portrait: a picture has one."""
        settings = next((one.settings for moment in self.moments for one in moment.seen), {})
        request = {"moments": [moment.as_request(top, height) for moment in self.moments], "settings": settings}
        return request if self.rays is None else {**request, "rays": self.rays}


def expose(engine: bpy.types.RenderEngine, depsgraph: bpy.types.Depsgraph) -> dict[str, Exposed]:
    """Return the pictures of a frame by the name of their view, "" where the scene is not stereo.

    With motion blur the depsgraph is taken to each moment of the shutter and back. Raises GazeSplatError.
    """
    scene, held = depsgraph.scene, {}
    names = view_names(scene.render)
    unit = sampling.sequence(sample_count(scene))
    if not scene.render.use_motion_blur:
        found = {name: [_moment(engine, depsgraph, name, held)] for name in names}
    else:
        found = {name: [] for name in names}
        for _ in _through_the_shutter(engine, scene, unit[:, sampling.TIME]):
            for name in names:
                found[name].append(_moment(engine, depsgraph, name, held))
    width_px = scene.render.filter_size
    return {name: Exposed(moments, rays_of(unit, moments[0].view.lens, width_px, len(moments))) for name, moments in found.items()}


def sample_count(scene: bpy.types.Scene) -> int:
    """Return how many samples the scene's pictures have."""
    camera, settings = scene.camera, scene.gazesplat_render
    blurred = scene.render.use_motion_blur or (camera is not None and camera.type == "CAMERA" and camera.data.dof.use_dof)
    return settings.blur_samples if blurred else settings.samples


def view_names(render: bpy.types.RenderSettings) -> list[str]:
    """Return the names of the views that are rendered, [""] where there is but one."""
    if not render.use_multiview:
        return [""]
    views = [view.name for view in render.views if view.use]
    return [name for name in ("left", "right") if name in views] if render.views_format == "STEREO_3D" else views


def rays_of(unit: np.ndarray, lens: Lens | None, filter_px: float, moments: int) -> list[list] | None:
    """Return the rays of a picture's samples, given numbers (N, DIMENSIONS) in 0..1; None for one ray through the pixel's centre.

    One sample means the splats as they were fitted: they carry their own low-pass, and a filter would be a second one.
    """
    count = len(unit)
    if count == 1:
        return None
    pixel = [sampling.filter_offsets(unit[:, axis], filter_px) for axis in (sampling.PIXEL_X, sampling.PIXEL_Y)]
    points = np.zeros((count, 2))
    if lens is not None:
        place = unit[:, [sampling.LENS_X, sampling.LENS_Y]]
        points = lens.radius_m * sampling.lens_points(place, lens.blades, lens.rotation_rad, lens.ratio)
    moment = np.arange(count) if moments > 1 else np.zeros(count, np.int64)
    where = np.stack([*pixel, points[:, 0], -points[:, 1]], axis=1)
    return [[int(k), *map(float, ray)] for k, ray in zip(moment, where, strict=True)]


def _through_the_shutter(engine: bpy.types.RenderEngine, scene: bpy.types.Scene, unit: np.ndarray) -> Iterator[None]:
    """Take the engine's depsgraph to each moment in turn, and back to the frame whatever happens."""
    render, current = scene.render, scene.frame_current_final
    try:
        for time in current + sampling.shutter_times(unit, render.motion_blur_shutter, render.motion_blur_position):
            whole = int(np.floor(time))
            engine.frame_set(whole, float(time - whole))
            yield
    finally:
        whole = int(np.floor(current))
        engine.frame_set(whole, current - whole)


def _moment(engine: bpy.types.RenderEngine, depsgraph: bpy.types.Depsgraph, view: str, held: dict) -> Moment:
    """Return what one view sees now."""
    if view:
        engine.active_view_set(view)
    camera, stereo_shift, to_world = engine.camera_override, 0.0, None
    if camera is not None:
        to_world = engine.camera_model_matrix(camera)
        stereo_shift = engine.camera_shift_x(camera) - camera.data.shift_x if view and camera.type == "CAMERA" else 0.0
    return Moment(view_of(camera, to_world, depsgraph, stereo_shift=stereo_shift), seen_portraits(depsgraph, held))
