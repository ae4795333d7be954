# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that Blender's F12 calls: asks the worker for a picture and puts it into the render's passes."""
from __future__ import annotations

import bpy
import numpy as np

from ...backend.contract.errors import GazeSplatError
from .. import backend_status
from . import idle_displays, interface, picture, settings
from .portraits import SeenPortrait, seen_portraits
from .set_up import ENGINE
from .view import View, view_of
from .worker_client import Picture, RenderWorker

_worker = RenderWorker()


class GazeSplatRenderEngine(bpy.types.RenderEngine):
    """Splats, exactly as they were fitted, and nothing else; see docs/engine.md."""

    bl_idname = ENGINE
    bl_label = "GazeSplat"
    bl_use_preview = False
    bl_use_postprocess = True
    bl_use_eevee_viewport = True

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
        layer = depsgraph.view_layer_eval
        camera = depsgraph.scene_eval.camera
        view = view_of(camera, self.camera_model_matrix(camera) if camera is not None else None, depsgraph)
        seen = seen_portraits(depsgraph)
        wants = {"depth": layer.use_pass_z, "mattes": picture.MATTES if layer.gazesplat.use_pass_mattes else {}}
        self.update_stats("", f"Drawing {len(seen)} portrait{'s' if len(seen) != 1 else ''}")
        drawn = _worker.draw(backend_status.python(), request_of(view, seen, **wants), {one.splats.digest: one.splats for one in seen},
                             self.test_break)
        if drawn is not None:
            self._deliver(depsgraph, view, drawn)

    def _deliver(self, depsgraph: bpy.types.Depsgraph, view: View, drawn: Picture) -> None:
        background = None if depsgraph.scene_eval.render.film_transparent else background_of(depsgraph.scene_eval.world)
        passes = {"Combined": picture.combined(drawn.arrays["rgba"], background)}
        if "depth" in drawn.arrays:
            passes["Depth"] = picture.depth_pass(drawn.arrays["depth"])
        layer = depsgraph.view_layer_eval.name
        for name in picture.MATTES:
            if f"matte:{name}" in drawn.arrays:
                passes[name] = drawn.arrays[f"matte:{name}"]
                self.add_pass(name, 1, "X", layer=layer)
        # Blender's pictures begin at the bottom.
        rects = {name: np.ascontiguousarray(pixels[::-1], np.float32).ravel() for name, pixels in passes.items()}
        result = self.begin_result(0, 0, view.width, view.height, layer=layer)
        try:
            for name, rect in rects.items():
                result.layers[0].passes[name].rect.foreach_set(rect)
        finally:
            # A result that is begun and not ended brings Blender down.
            self.end_result(result)


def request_of(view: View, seen: list[SeenPortrait], *, depth: bool, mattes: dict) -> dict:
    """Return the ``draw`` message of a view. Rasteriser settings are those of the first portrait: a picture has one."""
    return {"camera": view.camera, "portraits": [one.as_request() for one in seen], "settings": seen[0].settings if seen else {},
            "depth": depth, "mattes": mattes}


def background_of(world: bpy.types.World | None) -> np.ndarray:
    """Return the scene-linear colour (3,) behind the splats: the world's Background node where nothing is linked to it."""
    if world is None:
        return np.zeros(3)
    node = next((n for n in world.node_tree.nodes if n.bl_idname == "ShaderNodeBackground"), None) if world.node_tree is not None else None
    if node is None or node.inputs["Color"].links:
        return np.array(world.color)
    return np.array(node.inputs["Color"].default_value[:3]) * node.inputs["Strength"].default_value


def register() -> None:
    """Offer the engine, and Blender's own panels for it."""
    settings.register()
    bpy.utils.register_class(GazeSplatRenderEngine)
    interface.show_panels(ENGINE)
    idle_displays.register()


def unregister() -> None:
    """End the worker and take the engine out."""
    idle_displays.unregister()
    interface.hide_panels(ENGINE)
    bpy.utils.unregister_class(GazeSplatRenderEngine)
    settings.unregister()
    _worker.stop()
