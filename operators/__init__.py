# SPDX-License-Identifier: GPL-3.0-or-later
"""Verbs: what takes a click, an undo step or a file dialog. One class a file, one call into the api."""
from __future__ import annotations

import bpy

from . import keymap
from .add_blinks import GAZESPLAT_OT_add_blinks
from .add_head_drift import GAZESPLAT_OT_add_head_drift
from .add_saccades import GAZESPLAT_OT_add_saccades
from .add_sample import GAZESPLAT_OT_add_sample
from .animate import GAZESPLAT_OT_animate
from .bake_layer import GAZESPLAT_OT_bake_layer
from .cancel_job import GAZESPLAT_OT_cancel_job
from .capture_gaze import GAZESPLAT_OT_capture_gaze
from .check_farm import GAZESPLAT_OT_check_farm
from .check_motion import GAZESPLAT_OT_check_motion
from .clear_generated import GAZESPLAT_OT_clear_generated
from .clear_layer import GAZESPLAT_OT_clear_layer
from .copy_setup_command import GAZESPLAT_OT_copy_setup_command
from .correct_eyes import GAZESPLAT_OT_correct_eyes
from .delete_portrait import GAZESPLAT_OT_delete_portrait
from .drop_photo import GAZESPLAT_FH_photo
from .drop_portrait import GAZESPLAT_FH_portrait
from .duplicate_portrait import GAZESPLAT_OT_duplicate_portrait
from .edit_consent import GAZESPLAT_OT_edit_consent
from .examine_backend import GAZESPLAT_OT_examine_backend
from .export_portrait import GAZESPLAT_OT_export_portrait
from .hide_enclosing import GAZESPLAT_OT_hide_enclosing
from .import_portrait import GAZESPLAT_OT_import_portrait
from .import_result import GAZESPLAT_OT_import_result
from .leave_eyes import GAZESPLAT_OT_leave_eyes
from .live_follow import GAZESPLAT_OT_live_follow
from .look_at_camera import GAZESPLAT_OT_look_at_camera
from .look_at_nothing import GAZESPLAT_OT_look_at_nothing
from .look_at_object import GAZESPLAT_OT_look_at_object
from .look_through_photo import GAZESPLAT_OT_look_through_photo
from .mark_as_asset import GAZESPLAT_OT_mark_as_asset
from .mark_events import GAZESPLAT_OT_mark_events
from .mute_layer import GAZESPLAT_OT_mute_layer
from .open_log import GAZESPLAT_OT_open_log
from .rebuild_eyes import GAZESPLAT_OT_rebuild_eyes
from .reconstruct import GAZESPLAT_OT_reconstruct
from .refit_linear import GAZESPLAT_OT_refit_linear
from .remove_backend import GAZESPLAT_OT_remove_backend
from .remove_job import GAZESPLAT_OT_remove_job
from .remove_splat_plate import GAZESPLAT_OT_remove_splat_plate
from .reseed_layer import GAZESPLAT_OT_reseed_layer
from .retry_job import GAZESPLAT_OT_retry_job
from .set_up_render import GAZESPLAT_OT_set_up_render
from .set_up_splat_plate import GAZESPLAT_OT_set_up_splat_plate
from .setup_backend import GAZESPLAT_OT_setup_backend
from .upgrade_portrait import GAZESPLAT_OT_upgrade_portrait
from .write_farm_job import GAZESPLAT_OT_write_farm_job

CLASSES = (
    GAZESPLAT_OT_reconstruct,
    GAZESPLAT_OT_cancel_job,
    GAZESPLAT_OT_import_result,
    GAZESPLAT_OT_remove_job,
    GAZESPLAT_OT_retry_job,
    GAZESPLAT_OT_open_log,
    GAZESPLAT_OT_import_portrait,
    GAZESPLAT_OT_add_sample,
    GAZESPLAT_OT_edit_consent,
    GAZESPLAT_OT_mark_as_asset,
    GAZESPLAT_OT_upgrade_portrait,
    GAZESPLAT_FH_portrait,
    GAZESPLAT_FH_photo,
    GAZESPLAT_OT_export_portrait,
    GAZESPLAT_OT_duplicate_portrait,
    GAZESPLAT_OT_delete_portrait,
    GAZESPLAT_OT_hide_enclosing,
    GAZESPLAT_OT_look_through_photo,
    GAZESPLAT_OT_look_at_object,
    GAZESPLAT_OT_look_at_camera,
    GAZESPLAT_OT_look_at_nothing,
    GAZESPLAT_OT_live_follow,
    GAZESPLAT_OT_correct_eyes,
    GAZESPLAT_OT_rebuild_eyes,
    GAZESPLAT_OT_leave_eyes,
    GAZESPLAT_OT_animate,
    GAZESPLAT_OT_capture_gaze,
    GAZESPLAT_OT_add_saccades,
    GAZESPLAT_OT_add_blinks,
    GAZESPLAT_OT_add_head_drift,
    GAZESPLAT_OT_clear_generated,
    GAZESPLAT_OT_mute_layer,
    GAZESPLAT_OT_reseed_layer,
    GAZESPLAT_OT_bake_layer,
    GAZESPLAT_OT_clear_layer,
    GAZESPLAT_OT_mark_events,
    GAZESPLAT_OT_check_motion,
    GAZESPLAT_OT_set_up_render,
    GAZESPLAT_OT_set_up_splat_plate,
    GAZESPLAT_OT_remove_splat_plate,
    GAZESPLAT_OT_refit_linear,
    GAZESPLAT_OT_check_farm,
    GAZESPLAT_OT_write_farm_job,
    GAZESPLAT_OT_examine_backend,
    GAZESPLAT_OT_setup_backend,
    GAZESPLAT_OT_remove_backend,
    GAZESPLAT_OT_copy_setup_command,
)

_register, _unregister = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    """Add the operators, then our key."""
    _register()
    keymap.register()


def unregister() -> None:
    """Take both away."""
    keymap.unregister()
    _unregister()
