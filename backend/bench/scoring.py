# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores of rendered heads against ground truth: the figures of the public scorer, computed the same way."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..render.likeness import psnr, ssim_map

HEAD_GROWTH_PX = 9     # the head mask is grown by 4 px all round before it is scored


@dataclass(frozen=True)
class Score:
    """One picture against its truth: dB, SSIM, and skill (0 = the unchanged input, 1 = perfect) in the eye boxes."""

    head_psnr: float
    head_ssim: float
    eye_psnr: float
    eye_ssim: float
    skill: float | None    # None where the unchanged input is the truth itself


def eye_boxes(frame: dict, shape: tuple[int, int]) -> np.ndarray:
    """Return the mask (H, W) of both eye boxes of a ground-truth frame."""
    mask = np.zeros(shape, bool)
    for eye in frame["eyes2d"].values():
        x0, y0, x1, y1 = (max(0, int(round(v))) for v in eye["box"])
        mask[y0:y1, x0:x1] = True
    return mask


def score(picture: np.ndarray, truth: np.ndarray, unchanged: np.ndarray, head: np.ndarray, eyes: np.ndarray) -> Score:
    """Score a picture (H, W, 3) 0..1; ``unchanged`` is the do-nothing picture, ``head`` and ``eyes`` are masks (H, W)."""
    error = ((picture - truth) ** 2).mean(-1)
    similarity = ssim_map(picture, truth)
    head = cv2.dilate(head.astype(np.uint8), np.ones((HEAD_GROWTH_PX,) * 2, np.uint8)) > 0
    nothing = float(((unchanged - truth) ** 2).mean(-1)[eyes].mean())
    return Score(psnr(error[head].mean()), float(similarity[head].mean()), psnr(error[eyes].mean()), float(similarity[eyes].mean()),
                 1.0 - float(error[eyes].mean()) / nothing if nothing > 1e-9 else None)
