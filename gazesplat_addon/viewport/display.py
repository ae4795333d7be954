# SPDX-License-Identifier: GPL-3.0-or-later
"""The live display's life: it is drawn over every 3D viewport while it is on, and leaves no trace when it is off.

Nothing here runs in background mode, and F12 never comes here. Whatever goes wrong in a draw switches the display off,
says so once, and brings the node display back.
"""
from __future__ import annotations

import logging
import time
from collections.abc import Callable

import bpy
import gpu
import numpy as np

from ...backend.contract.errors import GazeSplatError
from ..scene import carriers, store
from ..scene.render_settings import OWN_ENGINE
from . import painter, resting, shaders
from .composite import composite, cutting_planes, seen_through
from .live import LivePortraits
from .painter import Painter
from .uniforms import View
from .viewing import AS_THEY_ARE, STANDARD, Viewing, ViewTables, viewing_of

# A sort takes some 10 ms: look that often whether one is done, and draw again.
SORTED_CHECK_S = 0.01
# So long after its last frame a viewport render is taken to be over: its operator may linger.
RENDER_CHECK_S = 1.0

_log = logging.getLogger(__name__)


class LiveDisplay:
    """One for the whole program; ``on`` is what the artist has switched, ``problem`` why it is off all the same."""

    def __init__(self) -> None:
        self.on = False
        self.problem = ""
        self.has_viewports = not bpy.app.background
        self.portraits = LivePortraits()
        self._forget_tables()
        self._painters: dict[int, Painter] = {}
        self._handle: object | None = None
        self._awake_for_render, self._last_frame_s = False, 0.0

    @property
    def active(self) -> bool:
        """Whether viewports show splats live."""
        return self.on and not self.problem and self.has_viewports

    def switch(self, on: bool) -> None:
        """Show splats live from now on, or no longer; switching on forgets an earlier problem."""
        self.on, self.problem = on, ""
        soon(_settle)

    def settle(self) -> None:
        """Bring handlers and node displays in line with the switch. Runs where data may be written: never inside a draw."""
        if self.active and self._handle is None:
            self._handle = bpy.types.SpaceView3D.draw_handler_add(self._draw, (), "WINDOW", "POST_VIEW")
        elif not self.active and self._handle is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handle, "WINDOW")
            self._handle = None
            self.forget()
        if not self._awake_for_render:
            resting.settle(self.active)
        redraw_viewports()

    def close(self) -> None:
        """Leave no trace."""
        self.on = False
        for timer in (_settle, _redraw_when_sorted, _rest_after_render, _make_tables):
            if bpy.app.timers.is_registered(timer):
                bpy.app.timers.unregister(timer)
        self.settle()
        self._forget_tables()
        painter.forget_batches()
        shaders.forget()

    def forget(self) -> None:
        """Let go of what was read and drawn."""
        self.portraits.forget()
        self._painters.clear()

    # ------------------------------------------------------------ what Blender tells

    def depsgraph_changed(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Take note of a change; of renders' depsgraphs, none."""
        if depsgraph.mode != "VIEWPORT":
            return
        self.portraits.changed()
        for update in depsgraph.updates:
            changed = update.id.original
            if isinstance(changed, bpy.types.Mesh) and update.is_updated_geometry:
                self.portraits.mesh_changed(changed)
            elif isinstance(changed, bpy.types.Object) and changed.get(store.PART_KEY) == store.SPLATS:
                modifier = carriers.display_modifier(changed)
                if modifier is not None and not self._awake_for_render and resting.needs_settling(modifier, self.active):
                    soon(_settle)

    def frame_begins(self) -> None:
        """Wake the node displays for View > Render Viewport Animation, whose frames no add-on can draw into."""
        if self.active and _viewport_is_rendered():
            resting.settle(False)
            self._awake_for_render, self._last_frame_s = True, time.monotonic()
            soon(_rest_after_render, RENDER_CHECK_S)

    def render_ended(self) -> bool:
        """Let them rest again if no frame has begun for a while; return whether they do. A frame that takes longer wakes them again."""
        if time.monotonic() - self._last_frame_s < RENDER_CHECK_S:
            return False
        self._awake_for_render = False
        self.settle()
        return True

    def file_changed(self) -> None:
        """Another file, or another state of this one by undo: everything is read again."""
        self.forget()
        soon(_settle)

    def before_saving(self) -> None:
        """Let the file be written with its node displays awake."""
        resting.settle(False)

    def after_saving(self) -> None:
        """Put them to rest again."""
        resting.settle(self.active)

    # ------------------------------------------------------------ drawing

    def _draw(self) -> None:
        if not self.active:
            return
        drawn = False
        try:
            self._draw_over(bpy.context)
            drawn = True
        except (GazeSplatError, RuntimeError) as error:
            self._give_up(str(error))
            drawn = True
        finally:
            # What is left is a bug: Blender prints its traceback, once.
            if not drawn:
                self._give_up("a fault in GazeSplat, see the terminal")

    def _give_up(self, why: str) -> None:
        self.problem = why
        _log.error("The live splat display is off: %s", why)
        soon(_settle)

    def _draw_over(self, context: bpy.types.Context) -> None:
        space, region = context.space_data, context.region
        drawn_by_engine = space.shading.type == "RENDERED" and context.scene.render.engine == OWN_ENGINE
        if drawn_by_engine or not space.show_object_viewport_mesh:
            return
        seen = [one for one in self.portraits.seen(context.evaluated_depsgraph_get()) if one.carrier.visible_in_viewport_get(space)]
        seen = [one for one in seen if one.carrier.display_type in {"SOLID", "TEXTURED"}]
        if not seen:
            return
        left, bottom, width, height = gpu.state.viewport_get()
        view = View(np.array(gpu.matrix.get_model_view_matrix()), np.array(gpu.matrix.get_projection_matrix()), width, height)
        shown = [portrait.shown for portrait in seen]
        if context.region_data.view_perspective == "ORTHO":
            view = painter.before_all(view, shown)
        key = region.as_pointer()
        if key not in self._painters:
            self._painters[key] = Painter()
        one = self._painters[key]
        one.paint(view, shown, scene_linear=seen[0].scene_linear)
        # Without overlays EEVEE and Cycles leave no depth here that one could stand behind.
        has_depth = space.overlay.show_overlays or space.shading.type in {"WIREFRAME", "SOLID"}
        viewing, tables = self._viewing(context.scene, seen[0].scene_linear)
        in_front = all(portrait.carrier.show_in_front for portrait in seen)
        composite(one, view, (left, bottom), viewing.steps, tables, depth_test=has_depth and not in_front,
                  through=seen_through(space.shading), cut=cutting_planes(context.region_data, view))
        if one.sorter.busy:
            soon(_redraw_when_sorted, SORTED_CHECK_S)

    def _viewing(self, scene: bpy.types.Scene, scene_linear: bool) -> tuple[Viewing, tuple]:
        """Return what the scene's view makes of colours, and its tables; until they are made, what was shown before."""
        viewing = viewing_of(scene, scene_linear=scene_linear)
        if self.tables.has(viewing):
            self._last_viewings[scene_linear] = viewing
        else:
            self._wanted_viewing, viewing = viewing, self._last_viewings[scene_linear]
            soon(_make_tables)
        return viewing, self.tables.textures(viewing)

    def _forget_tables(self) -> None:
        self.tables, self._wanted_viewing = ViewTables(), None
        self._last_viewings = {False: AS_THEY_ARE, True: Viewing(None, STANDARD)}    # by scene_linear

    def make_tables(self) -> None:
        """Make the tables of the view that was asked for last, and show it. Runs where data may be written."""
        if self._wanted_viewing is not None:
            self.tables.make(self._wanted_viewing)
            self._wanted_viewing = None
            redraw_viewports()

    def any_sorted(self) -> bool:
        """Return whether a viewport waits for an order that is made."""
        return any(one.sorter.ready for one in self._painters.values())

    def any_busy(self) -> bool:
        """Return whether an order is being made."""
        return any(one.sorter.busy for one in self._painters.values())


display = LiveDisplay()


def soon(function: Callable[[], float | None], delay_s: float = 0.0) -> None:
    """Call a function from the event loop, once, however often it is asked for; in background mode never."""
    if not bpy.app.background and not bpy.app.timers.is_registered(function):
        bpy.app.timers.register(function, first_interval=delay_s, persistent=True)


def _settle() -> None:
    display.settle()


def _make_tables() -> float | None:
    if bpy.app.is_job_running("RENDER"):    # no data is made or removed beside a render
        return RENDER_CHECK_S
    display.make_tables()
    return None


def _viewport_is_rendered() -> bool:
    return any(one.bl_idname == "RENDER_OT_opengl" for window in bpy.context.window_manager.windows for one in window.modal_operators)


def _rest_after_render() -> float | None:
    return None if display.render_ended() else RENDER_CHECK_S


def redraw_viewports() -> None:
    """Have every 3D viewport drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def _redraw_when_sorted() -> float | None:
    if display.any_sorted():
        redraw_viewports()
        return None
    return SORTED_CHECK_S if display.any_busy() else None
