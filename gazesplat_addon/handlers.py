# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens by itself: jobs are watched. Nothing here is needed to animate or render a file."""
from __future__ import annotations

from . import live_jobs


def register() -> None:
    """Find the jobs that still run, of this session or an earlier one, and watch them."""
    live_jobs.attach()


def unregister() -> None:
    """Stop watching; the jobs go on by themselves."""
    live_jobs.detach()
