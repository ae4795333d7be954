# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: jobs are watched, and older files take in what newer ones keep. No file needs this to animate or render."""
from __future__ import annotations

import bpy

from . import live_jobs
from .scene import kept_rig


def register() -> None:
    """Find the jobs that still run, of this session or an earlier one, and watch them; look after files that are opened."""
    live_jobs.attach()
    bpy.app.handlers.load_post.append(_bring_up_to_date)


def unregister() -> None:
    """Stop both; the jobs go on by themselves."""
    bpy.app.handlers.load_post.remove(_bring_up_to_date)
    live_jobs.detach()


@bpy.app.handlers.persistent
def _bring_up_to_date(_file: str) -> None:
    kept_rig.adopt_rigs()
