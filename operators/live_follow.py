# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait looks at you: eyes follow the mouse, the active object or the view while you work."""
from __future__ import annotations

import time

import bpy
from bpy_extras import view3d_utils

from ..gazesplat_addon import api
from ..gazesplat_addon.words import translated
from .base import PortraitVerb, chosen_portrait

TICK_S = 1 / 60
# A Blender that was busy does not make the eyes leap.
LONGEST_STEP_S = 0.1


class GAZESPLAT_OT_live_follow(PortraitVerb, bpy.types.Operator):
    """Let the eyes follow the mouse, the active object or your view, live. R records what they do as keys, Esc ends it"""

    bl_idname = "gazesplat.live_follow"
    bl_label = "Follow Live"

    what: bpy.props.EnumProperty(name="Follow", default="CURSOR", description="What the eyes follow", items=(
        ("CURSOR", "Mouse", "The mouse cursor in the 3D view, as if it floated a little before the face"),
        ("VIEW", "You", "Where you look from: eye contact, also while you orbit"),
        ("OBJECT", "Active Object", "The active object, wherever it moves")))
    seed: bpy.props.IntProperty(name="Seed", default=0, min=0, description="Of the blinks, small darts and head drift that play meanwhile")

    _running: GAZESPLAT_OT_live_follow | None = None

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.area is None or context.area.type != "VIEW_3D" or context.region_data is None:
            return cls.refused("Do this in a 3D view")
        return super().poll(context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if GAZESPLAT_OT_live_follow._running is not None:   # the button is a switch
            GAZESPLAT_OT_live_follow._running.ended = True
            return {"CANCELLED"}
        return self.execute(context)

    def run(self, context: bpy.types.Context) -> None:
        self.session = api.LiveFollow(chosen_portrait(context), seed=self.seed, attention=context.scene.gazesplat.attention)
        self.area, self.region = context.area, context.region
        self.mouse: tuple[int, int] | None = None
        self.ended = False
        self.last_s = time.perf_counter()
        self.timer = context.window_manager.event_timer_add(TICK_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        GAZESPLAT_OT_live_follow._running = self
        context.workspace.status_text_set(translated("Following live: R records, R again keeps the keys, Esc ends"))

    def execute(self, context: bpy.types.Context) -> set[str]:
        return {"RUNNING_MODAL"} if super().execute(context) == {"FINISHED"} else {"CANCELLED"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.ended or event.type == "ESC" or not self.session.portrait.alive:
            return self._end(context)
        if event.type == "R" and event.value == "PRESS" and not (event.ctrl or event.alt or event.oskey):
            self._switch_recording()
            return {"RUNNING_MODAL"}
        if event.type == "MOUSEMOVE":
            self.mouse = event.mouse_x - self.region.x, event.mouse_y - self.region.y
        if event.type == "TIMER":
            now_s = time.perf_counter()
            self.session.attention = context.scene.gazesplat.attention
            self.session.step(min(now_s - self.last_s, LONGEST_STEP_S), self._goal(context))
            self.last_s = now_s
            self.area.tag_redraw()
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        self._end(context)

    def _goal(self, context: bpy.types.Context):
        """Return the point to look at, None where there is nothing: the mouse is elsewhere, or the portrait itself is active."""
        view = self.region.data if hasattr(self.region, "data") else self.area.spaces.active.region_3d
        if self.what == "VIEW":
            return view.view_matrix.inverted().translation
        if self.what == "OBJECT":
            active = context.active_object
            return active.matrix_world.translation if active is not None and api.portrait_of(active) != self.session.portrait else None
        if self.mouse is None or not (0 <= self.mouse[0] < self.region.width and 0 <= self.mouse[1] < self.region.height):
            return None
        return self.session.cursor_goal(view3d_utils.region_2d_to_origin_3d(self.region, view, self.mouse),
                                        view3d_utils.region_2d_to_vector_3d(self.region, view, self.mouse))

    def _switch_recording(self) -> None:
        if not self.session.recording:
            self.session.start_recording()
            self.tell("INFO", "Recording: press R again to keep it")
            return
        made = self.session.keep()
        bpy.ops.ed.undo_push(message="Record Gaze")
        self.tell("INFO", f"{made} keys from the current frame on")
        self.ended = True

    def _end(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.event_timer_remove(self.timer)
        context.workspace.status_text_set(None)
        GAZESPLAT_OT_live_follow._running = None
        self.session.stop()
        self.area.tag_redraw()
        return {"FINISHED"}
