# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait that is in the scene gets colours for linear light: what ``portrait.refit_linear(wait=False)`` returns."""
from __future__ import annotations

import shutil
from pathlib import Path

from ..backend.contract import plain_json, result
from ..backend.contract.errors import GazeSplatError
from ..backend.contract.job import QUALITIES
from ..backend.contract.refusals import explain_os_error
from .portrait import Portrait
from .portrait_job import PortraitJob
from .scene import store
from .splat.linear_refit import path_beside

Figures = dict[str, dict[str, float]]


class LinearRefitJob(PortraitJob):
    """One refit: the new colours come to lie beside the portrait's files."""

    kind, label = result.REFIT, "linear light"

    @property
    def figures(self) -> Figures | None:
        """Likeness to the exact picture before and after, in views that were not fitted; None until ``result()``."""
        return self._outcome

    def _bring_in(self, portrait: Portrait, made: Path) -> Figures:
        try:
            figures = plain_json.read(made / result.METRICS)["linear"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GazeSplatError("bad-result", f"What the refit of {portrait.name} has left cannot be read ({error}).",
                                 "Start it again.") from error
        target = path_beside(_ply_of(portrait))
        part = target.with_name(target.name + ".part")
        try:
            shutil.copyfile(made / result.LINEAR, part)
            part.replace(target)
        except OSError as error:
            raise explain_os_error(error, place_chosen=True) or error from error
        portrait.reload()
        return figures


def refit(portrait: Portrait, *, wait: bool, queue: bool, quality: str) -> Figures | LinearRefitJob:
    """Start a refit, and wait for it where asked to; see ``Portrait.refit_linear``."""
    if quality not in QUALITIES:
        raise GazeSplatError("bad-value", f"There is no quality {quality!r}.", f"Choose one of {', '.join(QUALITIES)}.")
    job = LinearRefitJob.create(portrait, _ply_of(portrait), wait=wait, queue=queue, quality=quality)
    return job.figures if wait else job


def _ply_of(portrait: Portrait) -> Path:
    return portrait.folder / portrait.root[store.ROOT_KEY]["file"]
