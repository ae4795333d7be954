# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that Blender's F12 calls: asks the worker for a picture and puts it into the render's passes."""
from __future__ import annotations

import bpy
import numpy as np

from ...backend.contract.errors import GazeSplatError
from .. import backend_status
from . import idle_displays, interface, inverse_view, main_thread, picture, settings
from .exposures import Exposed, expose
from .refining import close_all
from .set_up import ENGINE
from .viewport import LiveViewport, updater
from .worker_client import Picture, RenderWorker

# Pixels drawn at a time: 128 MiB of colour, and some of that again for each pass. 1080p and 4K are drawn whole.
BAND_PIXELS = 1 << 23
PROGRESS_S = 0.5          # how often an artist sees more samples
PASS_NAMES = {"rgba": "Combined", "depth": "Depth"}

_worker = RenderWorker()


class GazeSplatRenderEngine(LiveViewport, bpy.types.RenderEngine):
    """Splats, exactly as they were fitted, and nothing else; see docs/engine.md."""

    bl_idname = ENGINE
    bl_label = "GazeSplat"
    bl_use_preview = False
    bl_use_postprocess = True
    bl_use_eevee_viewport = True
    worker = _worker

    def film_of(self, scene: bpy.types.Scene) -> dict:
        """Return the film that viewports expose: F12's, as soon as there is the view's inverse."""
        view = scene.view_settings.view_transform
        if not inverse_view.is_made(view):
            inverse_view.make_soon(view, updater(self))
        return _film(scene)

    def update_render_passes(self, scene: bpy.types.Scene | None = None, renderlayer: bpy.types.ViewLayer | None = None) -> None:
        """Tell Blender which passes there are, for the compositor's sockets."""
        self.register_pass(scene, renderlayer, "Combined", 4, "RGBA", "COLOR")
        if renderlayer.use_pass_z:
            self.register_pass(scene, renderlayer, "Depth", 1, "Z", "VALUE")
        if renderlayer.gazesplat.use_pass_mattes:
            for name in picture.MATTES:
                self.register_pass(scene, renderlayer, name, 1, "X", "VALUE")

    def render(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Render one view layer of one frame; a refusal is reported in the interface, and no picture appears."""
        try:
            self._render(depsgraph)
        except GazeSplatError as error:
            self.report({"ERROR"}, str(error))

    def _render(self, depsgraph: bpy.types.Depsgraph) -> None:
        layer, scene = depsgraph.view_layer_eval, depsgraph.scene_eval
        view = scene.view_settings.view_transform
        if not inverse_view.is_made(view) and main_thread.call(lambda: inverse_view.inverse_of(view), self.test_break) is None:
            return
        wanted = {"depth": layer.use_pass_z, "mattes": picture.MATTES if layer.gazesplat.use_pass_mattes else {}, "film": _film(scene)}
        if not bpy.app.background:
            wanted["progress_s"] = PROGRESS_S
        pictures = expose(self, depsgraph)
        for name in wanted["mattes"]:
            self.add_pass(name, 1, "X", layer=layer.name)
        for number, (view, exposed) in enumerate(pictures.items()):
            portraits = len(exposed.moments[0].seen)
            self.update_stats("", f"Drawing {portraits} portrait{'s' if portraits != 1 else ''}")
            for top, height in bands(exposed.view.width, exposed.view.height):
                if not self._draw_rows(exposed, layer.name, view, top, height, wanted):
                    return
                self.update_progress((number + (top + height) / exposed.view.height) / len(pictures))

    def _draw_rows(self, exposed: Exposed, layer: str, view: str, top: int, height: int, wanted: dict) -> bool:
        """Draw some rows of a picture and hand them to Blender; return False when the artist has cancelled."""
        # Blender counts rows from below.
        result = self.begin_result(0, exposed.view.height - top - height, exposed.view.width, height, layer=layer, view=view)
        drawn = None
        try:
            request = {**exposed.as_request(top, height), **wanted}
            held = {**exposed.portraits(), **inverse_view.beside(wanted["film"])}
            drawn = _worker.draw(backend_status.python(), request, held, self.test_break, lambda part: self._show(result, view, part))
            if drawn is not None:
                fill(result, view, drawn)
        finally:
            # A result that is begun and not ended brings Blender down.
            self.end_result(result, cancel=drawn is None)
        return drawn is not None

    def _show(self, result: bpy.types.RenderResult, view: str, drawn: Picture) -> None:
        """Show fewer samples than there will be."""
        fill(result, view, drawn)
        self.update_result(result)
        self.update_stats("", f"Sample {drawn.samples}")


def fill(result: bpy.types.RenderResult, view: str, drawn: Picture) -> None:
    """Write the arrays of a picture into Blender's passes."""
    passes = result.layers[0].passes
    for name, array in drawn.arrays.items():
        pixels = picture.depth_pass(array) if name == "depth" else array
        passes.find_by_name(PASS_NAMES.get(name, name.removeprefix("matte:")), view).rect.foreach_set(pixels.ravel())


def bands(width: int, height: int) -> list[tuple[int, int]]:
    """Cut a picture into runs of rows (first, number), each small enough for the memory of a modest machine."""
    rows = max(1, BAND_PIXELS // width)
    return [(top, min(rows, height - top)) for top in range(0, height, rows)]


def _film(scene: bpy.types.Scene) -> dict:
    """Return the ``film`` of a ``draw`` message."""
    background = None if scene.render.film_transparent else background_of(scene.world).tolist()
    view = scene.view_settings.view_transform
    inverse = inverse_view.inverse_of(view) if inverse_view.is_made(view) else None
    return {"background": background, "bottom_up": True, "cube": inverse.digest if inverse is not None else None}


def background_of(world: bpy.types.World | None) -> np.ndarray:
    """Return the scene-linear colour (3,) behind the splats: the world's Background node where nothing is linked to it."""
    if world is None:
        return np.zeros(3)
    node = next((n for n in world.node_tree.nodes if n.bl_idname == "ShaderNodeBackground"), None) if world.node_tree is not None else None
    if node is None or node.inputs["Color"].links:
        return np.array(world.color)
    return np.array(node.inputs["Color"].default_value[:3]) * node.inputs["Strength"].default_value


def end_worker() -> None:
    """End the worker, if one runs; the next frame starts another."""
    _worker.stop()


def register() -> None:
    """Offer the engine, and Blender's own panels for it."""
    settings.register()
    bpy.utils.register_class(GazeSplatRenderEngine)
    interface.show_panels(ENGINE)
    idle_displays.register()
    main_thread.register()


def unregister() -> None:
    """End the worker and take the engine out."""
    main_thread.unregister()
    idle_displays.unregister()
    interface.hide_panels(ENGINE)
    bpy.utils.unregister_class(GazeSplatRenderEngine)
    settings.unregister()
    close_all()
    _worker.stop()
