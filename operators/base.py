# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an operator's errors end: one sentence for the artist, the whole story for the log.

Every operator defines ``run`` in place of ``execute``.
"""
from __future__ import annotations

import logging

import bpy

from ..backend.contract.errors import GazeSplatError
from ..gazesplat_addon import api

# Tests set this, so that a bug shows its traceback in place of a polite sentence.
reraise_bugs = False

_log = logging.getLogger(__name__)


class Verb:
    """Mix-in of all operators: runs ``run(context)`` and turns what goes wrong into a report."""

    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: bpy.types.Context) -> str | None:
        """Do it, by one call into the api, and return what to tell the artist, if anything."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Blender's entry: report the outcome in one sentence."""
        try:
            said = self.run(context)
        except GazeSplatError as error:
            _log.info("%s: %s: %s", self.bl_idname, error.code, error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        except Exception as error:
            if reraise_bugs:
                raise
            _log.exception("%s failed", self.bl_idname)
            self.report({"ERROR"}, f"A fault in GazeSplat: {type(error).__name__}: {error}. "
                                   "Please report it with what Window > Toggle System Console, or the terminal, shows.")
            return {"CANCELLED"}
        if said:
            self.report({"INFO"}, said)
        return {"FINISHED"}


class PortraitVerb(Verb):
    """Mix-in of operators that work on the chosen portrait: the active object's, else the scene's only one."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Say what is missing when no portrait is chosen."""
        if chosen_portrait(context) is not None:
            return True
        cls.poll_message_set("Select a portrait, or any part of one")
        return False


def select(context: bpy.types.Context, portrait: api.Portrait) -> None:
    """Make a new portrait the active and only selected object, as Blender's own importers do."""
    for one in context.selected_objects:
        one.select_set(False)
    portrait.root.select_set(True)
    context.view_layer.objects.active = portrait.root


def chosen_portrait(context: bpy.types.Context) -> api.Portrait | None:
    """Return the portrait that the artist means, or None."""
    return api.chosen(context.active_object, scene=context.scene)
