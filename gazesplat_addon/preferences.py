# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sets once: where the backend's Python is and where jobs are kept. And where the extension may write."""
from __future__ import annotations

from pathlib import Path

import bpy

from . import viewport
from .jobs import environment

EXTENSION = __package__.rpartition(".")[0]


def _switch_live_display(chosen: GazeSplatPreferences, _context: bpy.types.Context) -> None:
    viewport.switch(chosen.live_display)


class GazeSplatPreferences(bpy.types.AddonPreferences):
    """The extension's page in Edit > Preferences > Add-ons."""

    bl_idname = EXTENSION

    backend_python: bpy.props.StringProperty(
        name="Backend Python", subtype="FILE_PATH",
        description="The Python that reconstructs, with its packages; never Blender's own. Empty: look in the usual places")
    setup_python: bpy.props.StringProperty(
        name="Python to Start From", subtype="FILE_PATH",
        description="The backend's environment is made from this Python 3.11 or 3.13, which stays as it is. Empty: Blender's own")
    wheel_folder: bpy.props.StringProperty(
        name="Folder of Wheels", subtype="DIR_PATH",
        description="Take the backend's packages from .whl files in here, without a network. Empty: download them")
    setup_video: bpy.props.BoolProperty(
        name="For Videos Too", default=False,
        description="Also set up what portraits from videos need: torch and its company, several times as large")
    jobs_folder: bpy.props.StringProperty(
        name="Jobs Folder", subtype="DIR_PATH",
        description="Where reconstructions are kept. Empty: in the extension's own folder")

    live_display: bpy.props.BoolProperty(
        name="Live Splat Display", default=True, update=_switch_live_display,
        description="Draw splats in the viewport as a render shows them, from every side. Off: coarse squares from geometry nodes")

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the page."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "live_display")
        layout.prop(self, "backend_python")
        layout.prop(self, "jobs_folder")
        layout.separator()
        column = layout.column(heading="Set-up")
        column.prop(self, "setup_video")
        column.prop(self, "setup_python")
        column.prop(self, "wheel_folder")
        row = layout.row()
        row.operator_context = "INVOKE_DEFAULT"
        setup = row.operator("gazesplat.setup_backend", icon="IMPORT")
        setup.video = self.setup_video
        row.operator("gazesplat.remove_backend", icon="TRASH")
        row.operator("gazesplat.copy_setup_command", icon="CONSOLE").video = self.setup_video
        row.operator("gazesplat.examine_backend", icon="VIEWZOOM")


def stored() -> GazeSplatPreferences | None:
    """Return the preferences, or None where the code runs without being installed as an extension."""
    addon = bpy.context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon is not None else None


def user_folder() -> Path:
    """Return the folder in which the extension may write; it need not exist yet."""
    if EXTENSION.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(EXTENSION))
    return Path(bpy.utils.user_resource("DATAFILES", path="gazesplat"))


def jobs_folder() -> Path:
    """Return the folder with all reconstructions; it need not exist yet."""
    chosen = stored()
    if chosen is not None and chosen.jobs_folder:
        return Path(bpy.path.abspath(chosen.jobs_folder))
    return user_folder() / "jobs"


def backend_places() -> list[Path]:
    """Return where the backend's Python may be, best first."""
    chosen = stored()
    said = bpy.path.abspath(chosen.backend_python) if chosen is not None and chosen.backend_python else ""
    return environment.candidates(said, user_folder())


register, unregister = bpy.utils.register_classes_factory((GazeSplatPreferences,))
