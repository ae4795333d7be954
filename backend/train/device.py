# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device trains, and what to do when a GPU's memory is too small."""
from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from ..contract.errors import GazeSplatError
from .settings import TrainSettings

LOG = logging.getLogger(__name__)
T = TypeVar("T")

# A try that ran out of GPU memory is repeated with this share of the splats and of the pictures' side.
SMALLER_SPLATS, SMALLER_SIDE = 0.5, 0.7
TRIES = 3


def resolve(asked: str) -> str:
    """Return "cuda" or "cpu" for "auto", "cpu" or "cuda"; GazeSplatError ``no-cuda`` when CUDA was asked for and is not there."""
    if asked == "cpu" or not torch.cuda.is_available():
        if asked == "cuda":
            raise GazeSplatError("no-cuda", "There is no CUDA device that the backend's torch can use.",
                                 "Choose the device 'auto' or 'cpu', or install a torch for your GPU in the backend's environment.")
        return "cpu"
    LOG.info("training on %s", torch.cuda.get_device_name())
    return "cuda"


def with_less_memory(attempt: Callable[[int, TrainSettings], T], side_px: int, settings: TrainSettings,
                     warn: Callable[[str, str, str], None]) -> T:
    """Return ``attempt(side_px, settings)``; when the GPU's memory is too small, again with smaller settings, saying so.

    Raises GazeSplatError ``gpu-memory`` when the smallest is too large.
    """
    for _ in range(TRIES):
        try:
            return attempt(side_px, settings)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            side_px = int(SMALLER_SIDE * side_px)
            settings = replace(settings, most_splats=int(SMALLER_SPLATS * settings.most_splats),
                               first_splats=int(SMALLER_SPLATS * settings.first_splats))
            warn("gpu-memory", f"The GPU's memory is too small; training goes on with {side_px} pixel frames and at most "
                 f"{settings.most_splats} splats.", "Close other programs that use the GPU, or choose a lower quality.")
    raise GazeSplatError("gpu-memory", "The GPU's memory is too small to train a head.",
                         "Choose the device 'cpu', or close other programs.")
