# SPDX-License-Identifier: GPL-3.0-or-later
"""The Rendered mode of 3D viewports: the worker's pictures, refined beside Blender's main thread and drawn when they come.

Blender calls ``view_update`` when something of the scene has changed and ``view_draw`` whenever the region is drawn; neither waits
for the worker. What is drawn is scene-linear: the viewport applies the scene's view transform, as F12's picture has it.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress

import bpy
import gpu
import numpy as np
from gpu_extras.presets import draw_texture_2d

from ...backend.contract.errors import GazeSplatError
from .. import backend_status, compat
from ..scene import carriers
from . import inverse_view
from .exposures import Exposed, Moment
from .portraits import SeenPortrait, seen_portraits
from .refining import COARSE, Refiner, Shown, Step, at_scale
from .region_view import RegionView, view_of_region
from .worker_client import Picture, RenderWorker

_PIXEL_SIZES = {"AUTO": 1, "1": 1, "2": 2, "4": 4, "8": 8}


class LiveView:
    """One viewport in Rendered mode: what it sees, and the texture of the newest picture."""

    def __init__(self, worker: RenderWorker, redraw: Callable[[], None]) -> None:
        self.refiner = Refiner(lambda step, should_stop: worker.draw(step.beside[0], step.request, step.beside[1], should_stop), redraw)
        self.refusal: GazeSplatError | None = None
        self._seen: list[SeenPortrait] = []
        self._held: dict = {}
        self._held_of: dict[str, tuple[int, int]] = {}
        self._film: dict = {}
        self._texture: tuple[Shown, gpu.types.GPUTexture] | None = None

    def look(self, depsgraph: bpy.types.Depsgraph, film: dict) -> None:
        """Take in what has changed. Splats are read again only where meshes have changed or others stand under their names."""
        owners = {carrier.original.name_full: (carrier.original.session_uid, carrier.original.data.session_uid)
                  for carrier, _ in carriers.seen_carriers(depsgraph)}
        if owners != self._held_of or any(isinstance(update.id, bpy.types.Mesh) for update in depsgraph.updates):
            self._held.clear()
        self._held_of, self._film = owners, film
        self.refusal, self._seen = None, []
        try:
            self._seen = seen_portraits(depsgraph, self._held)
        except GazeSplatError as error:
            self.refusal = error

    def draw(self, wanted: RegionView | None, *, pixel_size: int = 1) -> None:
        """Ask for the picture of a view unless that was done, and draw the newest there is where it belongs."""
        if self.refusal is not None or wanted is None:
            return
        self._ask(wanted, pixel_size)
        shown = self.refiner.shown
        if shown is None:
            return
        # A picture of another view stands in until the right one comes; what it answered knows where it lay.
        left, low, width, height = shown.question[0]
        if self._texture is None or self._texture[0] is not shown:
            texture = texture_of(shown.picture)
            if (texture.width, texture.height) == (width, height):
                # A hundredth of a neighbour is much where that one is a highlight and the view is AgX.
                compat.draw_pixels_unmixed(texture)
            self._texture = shown, texture
        gpu.state.blend_set("ALPHA_PREMULT")
        draw_texture_2d(self._texture[1], (left, low), width, height)
        gpu.state.blend_set("NONE")

    def _ask(self, wanted: RegionView, pixel_size: int) -> None:
        exposed = Exposed([Moment(wanted.view, self._seen)], None)
        request = {**exposed.as_request(0, wanted.view.height), "film": self._film, "depth": False}
        place = wanted.left, wanted.low, wanted.view.width, wanted.view.height
        try:
            step = Step(request, (backend_status.python(), {**exposed.portraits(), **inverse_view.beside(self._film)}))
        except GazeSplatError as error:
            self.refusal = error
            return
        fine = step if pixel_size == 1 else at_scale(step, 1.0 / pixel_size, fine=True)
        self.refiner.ask((place, request), [at_scale(step, COARSE / pixel_size, fine=False), fine])


def texture_of(picture: Picture) -> gpu.types.GPUTexture:
    """Return the texture of a scene-linear, premultiplied picture that begins at the bottom."""
    rgba = np.ascontiguousarray(picture.arrays["rgba"], np.float32)
    height, width = rgba.shape[:2]
    return gpu.types.GPUTexture((width, height), format="RGBA16F", data=gpu.types.Buffer("FLOAT", rgba.size, rgba.ravel()))


def _redrawer(engine: bpy.types.RenderEngine) -> Callable[[], None]:
    """Return what asks for a redraw from any thread. It does not keep the engine alive, for Blender ends it when it likes."""
    known = weakref.ref(engine)

    def redraw() -> None:
        alive = known()
        # Blender has taken its side of the engine away, and nobody looks any more.
        with suppress(ReferenceError):
            if alive is not None:
                alive.tag_redraw()

    return redraw


def updater(engine: bpy.types.RenderEngine) -> Callable[[], None]:
    """Return what makes Blender call ``view_update`` again; it does not keep the engine alive either."""
    known = weakref.ref(engine)

    def update() -> None:
        alive = known()
        with suppress(ReferenceError):
            if alive is not None:
                alive.tag_update()

    return update


class LiveViewport:
    """Mix-in of the engine: Blender makes one engine for each viewport in Rendered mode. It has ``worker`` and ``film_of``."""

    live: LiveView | None = None

    def view_update(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Blender's call when the scene has changed."""
        if self.live is None:
            self.live = LiveView(self.worker, _redrawer(self))
        self.live.look(depsgraph, self.film_of(depsgraph.scene_eval))
        self.tag_redraw()

    def view_draw(self, context: bpy.types.Context, depsgraph: bpy.types.Depsgraph) -> None:
        """Blender's call when the region is drawn."""
        if self.live is None:
            self.view_update(context, depsgraph)
        scene = depsgraph.scene
        wanted = view_of_region(context.region, context.region_data, context.space_data, scene)
        self.live.draw(wanted, pixel_size=_PIXEL_SIZES.get(scene.render.preview_pixel_size, 1))
        refusal = self.live.refusal or self.live.refiner.refusal
        self.update_stats("GazeSplat", str(refusal) if refusal is not None else "")

    def __del__(self) -> None:
        """Blender's sign that the viewport has left Rendered mode."""
        # Blender may have taken its side away already, and then refuses every attribute asked for in the usual way.
        live = object.__getattribute__(self, "__dict__").get("live")
        if live is not None:
            live.refiner.close()
