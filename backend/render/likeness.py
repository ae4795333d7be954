# SPDX-License-Identifier: GPL-3.0-or-later
"""How alike two pictures are: PSNR and SSIM."""
from __future__ import annotations

import cv2
import numpy as np

SSIM_WINDOW = 7


def psnr(mean_squared_error: float) -> float:
    """Return the peak signal-to-noise ratio in dB for values 0..1."""
    return float(-10.0 * np.log10(max(mean_squared_error, 1e-10)))


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the SSIM map (H, W) of two pictures (H, W, 3), mean over channels (Wang et al. 2004, 7 x 7 uniform window)."""
    n = SSIM_WINDOW ** 2
    a, b = a.astype(np.float64), b.astype(np.float64)

    def mean(x):
        return cv2.blur(x, (SSIM_WINDOW, SSIM_WINDOW), borderType=cv2.BORDER_REFLECT)

    ma, mb = mean(a), mean(b)
    unbiased = n / (n - 1.0)
    va, vb = unbiased * (mean(a * a) - ma * ma), unbiased * (mean(b * b) - mb * mb)
    cov = unbiased * (mean(a * b) - ma * mb)
    c1, c2 = 0.01 ** 2, 0.03 ** 2
    return ((2 * ma * mb + c1) * (2 * cov + c2) / ((ma ** 2 + mb ** 2 + c1) * (va + vb + c2))).mean(-1)
