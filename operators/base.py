# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an operator's errors end: one sentence for the artist, the whole story for the log.

Every operator defines ``run`` in place of ``execute``.
"""
from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator

import bpy
from mathutils import Matrix

from ..backend.contract.errors import GazeSplatError
from ..gazesplat_addon import api
from ..gazesplat_addon.words import told, translated

# Tests set this, so that a bug shows its traceback in place of a polite sentence.
reraise_bugs = False

# A portrait looks along its -Y, a view along its own -Z.
_FROM_BEFORE = Matrix.Rotation(math.pi / 2.0, 4, "X")
_TALKING_M = 1.0

# The sidebar's tab, as the panels call it.
TAB = "GazeSplat"

_log = logging.getLogger(__name__)


class Verb:
    """Mix-in of all operators: runs ``run(context)`` and turns what goes wrong into a report."""

    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> str | None:
        """Do it, by one call into the api, and return what to tell the artist, if anything."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blender's entry: report the outcome in one sentence."""
        return self._reported(lambda: self.run(context))

    def _reported(self, work: Callable[[], str | None]) -> set[str]:
        try:
            said = work()
        except GazeSplatError as error:
            _log.info("%s: %s: %s", self.bl_idname, error.code, error)
            self.tell("ERROR", error.message, error.hint)
            return {"CANCELLED"}
        except Exception as error:
            if reraise_bugs:
                raise
            _log.exception("%s failed", self.bl_idname)
            self.tell("ERROR", f"A fault in GazeSplat: {type(error).__name__}: {error}. "
                               "Please report it with what Window > Toggle System Console, or the terminal, shows.")
            return {"CANCELLED"}
        if said:
            self.tell("INFO", said)
        return {"FINISHED"}

    def tell(self, kind: str, *sentences: str) -> None:
        """Report sentences in the language of the interface: the one way to report."""
        self.report({kind}, " ".join(told(one) for one in sentences if one))

    @classmethod
    def refused(cls, why: str) -> bool:
        """Say on the disabled button why it is; always False, which is what ``poll`` returns then."""
        cls.poll_message_set(told(why))
        return False


class SteppedVerb(Verb):
    """Mix-in of verbs that take long: in a window they go step by step, show how far they are, and Escape stops them.

    Define ``steps``, whose values have ``done`` and ``total``, and ``told``. In a script all steps are done at once.
    """

    bl_options = {"REGISTER"}
    in_window = False

    def steps(self, context: bpy.types.Context) -> Iterator:
        """Yield after each step; whoever stops asking has stopped the work."""
        raise NotImplementedError

    def told(self, step: object) -> str:
        """Return the sentence after the last step."""
        raise NotImplementedError

    def run(self, context: bpy.types.Context) -> str:
        *_, last = self.steps(context)
        return self.told(last)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; a window's operator goes on in ``modal``."""
        if not self.in_window:
            return super().execute(context)
        outcome = self._reported(lambda: self._begin(context))
        return {"RUNNING_MODAL"} if outcome == {"FINISHED"} else outcome

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Do one step a tick of the timer."""
        if event.type == "ESC" and event.value == "PRESS":
            self._end(context)
            self.tell("WARNING", f"Stopped after {self._step.done} of {self._step.total}" if self._step else "Stopped")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"RUNNING_MODAL"}
        outcome = self._reported(lambda: self._advance(context))
        if self._over or outcome != {"FINISHED"}:
            self._end(context)
            return outcome
        return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: its window closes, another file is opened."""
        self._end(context)

    def _begin(self, context: bpy.types.Context) -> None:
        self._iterator, self._step, self._over = self.steps(context), None, False
        manager = context.window_manager
        self._timer = manager.event_timer_add(0.01, window=context.window)
        manager.progress_begin(0, 1000)
        context.workspace.status_text_set(translated("{what}: Escape stops it", what=translated(self.bl_label)))
        manager.modal_handler_add(self)

    def _advance(self, context: bpy.types.Context) -> str | None:
        step = next(self._iterator, None)
        if step is None:
            self._over = True
            return self.told(self._step)
        self._step = step
        context.window_manager.progress_update(int(1000 * step.done / step.total))
        context.workspace.status_text_set(translated("{what}: {done} of {total}. Escape stops it", what=translated(self.bl_label),
                                                     done=step.done, total=step.total))
        return None

    def _end(self, context: bpy.types.Context) -> None:
        self._iterator.close()
        context.window_manager.event_timer_remove(self._timer)
        context.window_manager.progress_end()
        context.workspace.status_text_set(None)


class PortraitVerb(Verb):
    """Mix-in of operators that work on the chosen portrait: the active object's, else the scene's only one."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing when no portrait is chosen."""
        if chosen_portrait(context) is not None:
            return True
        return cls.refused("Select a portrait, or any part of one")


class ArrivalVerb(Verb):
    """Mix-in of operators that bring a portrait into the scene: it becomes the selected object."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what to do first where another object is being edited."""
        if context.mode == "OBJECT":
            return True
        return cls.refused("Leave edit mode first")


def select(context: bpy.types.Context, portrait: api.Portrait) -> None:
    """Make a new portrait the active and only selected object, as Blender's own importers do."""
    for one in context.selected_objects:
        one.select_set(False)
    portrait.root.select_set(True)
    context.view_layer.objects.active = portrait.root


def face(context: bpy.types.Context, portrait: api.Portrait) -> None:
    """Turn the 3D view that was worked in to a portrait, as near as one stands to talk; in a camera's view and elsewhere, nothing."""
    if context.area is None or context.area.type != "VIEW_3D" or context.space_data.region_3d.view_perspective == "CAMERA":
        return
    view = context.space_data.region_3d
    view.view_location, view.view_distance = portrait.root.matrix_world.translation, _TALKING_M
    view.view_rotation = (portrait.root.matrix_world @ _FROM_BEFORE).to_quaternion()


def chosen_portrait(context: bpy.types.Context) -> api.Portrait | None:
    """Return the portrait that the artist means, or None."""
    return api.chosen(context.active_object, scene=context.scene)
