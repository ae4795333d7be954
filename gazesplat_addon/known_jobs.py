# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that lie in the jobs folder, each as what it is."""
from __future__ import annotations

import logging

from ..backend.contract.errors import GazeSplatError
from . import preferences
from .capture_job import CaptureJob
from .eye_rebuild_job import EyeRebuildJob
from .jobs import registry
from .linear_refit_job import LinearRefitJob
from .reconstruction import Reconstruction

_KINDS = {one.kind: one for one in (CaptureJob, EyeRebuildJob, LinearRefitJob)}

_log = logging.getLogger(__name__)


def known() -> list[Reconstruction]:
    """Return every job in the jobs folder, oldest first, whoever started it; the log names those that cannot be read."""
    found = []
    for job in registry.list_jobs(preferences.jobs_folder()):
        try:
            found.append(_KINDS.get(job.spec.kind, Reconstruction)(job))
        except GazeSplatError as error:
            _log.warning("the job %s is passed over: %s", job.folder.name, error)
    return found
