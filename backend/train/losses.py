# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a drawn head is from a frame: masked L1 and SSIM over a background of any colour, and emptiness outside the mask."""
from __future__ import annotations

import cv2
import numpy as np
import torch
from torch.nn import functional

# SSIM's window and constants (Wang et al. 2004) for values 0..1.
_RADIUS, _SIGMA = 5, 1.5
_C1, _C2 = 0.01 ** 2, 0.03 ** 2
_KERNEL = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2).astype(np.float32)
_KERNEL /= _KERNEL.sum()


def head_loss(rgb: torch.Tensor, alpha: torch.Tensor, image: torch.Tensor, mask: torch.Tensor, background: torch.Tensor,
              ssim_share: float, outside_weight: float) -> torch.Tensor:
    """Return the loss (scalar) of a premultiplied rgb (H, W, 3) and alpha (H, W) against a frame.

    Both are laid over ``background`` (3,), the frame by its mask: a head that is right is right over every colour.
    """
    drawn = rgb + (1.0 - alpha[..., None]) * background
    target = mask[..., None] * image + (1.0 - mask[..., None]) * background
    similarity = ssim(drawn, target).mean()
    return ((1.0 - ssim_share) * (drawn - target).abs().mean() + ssim_share * (1.0 - similarity)
            + outside_weight * (alpha * (1.0 - mask)).mean())


def ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the map of structural similarity (H, W, 3) of two pictures (H, W, 3)."""
    mean_a, mean_b, aa, bb, ab = blur(torch.cat([a, b, a * a, b * b, a * b], dim=-1)).split(3, dim=-1)
    variance_a, variance_b, covariance = aa - mean_a ** 2, bb - mean_b ** 2, ab - mean_a * mean_b
    return ((2.0 * mean_a * mean_b + _C1) * (2.0 * covariance + _C2)
            / ((mean_a ** 2 + mean_b ** 2 + _C1) * (variance_a + variance_b + _C2)))


def blur(picture: torch.Tensor) -> torch.Tensor:
    """Return the picture (H, W, C) blurred by SSIM's window, zero beyond its edges."""
    if picture.is_cuda:
        kernel = torch.as_tensor(_KERNEL, device=picture.device)
        channels = picture.permute(2, 0, 1)[:, None]
        channels = functional.conv2d(channels, kernel.view(1, 1, -1, 1), padding=(_RADIUS, 0))
        return functional.conv2d(channels, kernel.view(1, 1, 1, -1), padding=(0, _RADIUS))[:, 0].permute(1, 2, 0)
    return _CpuBlur.apply(picture)


class _CpuBlur(torch.autograd.Function):
    """OpenCV's separable filter, several times as fast as a convolution of torch on a CPU. The window is symmetric: its own adjoint."""

    @staticmethod
    def forward(ctx, picture):
        return torch.from_numpy(_filtered(picture.detach().numpy()))

    @staticmethod
    def backward(ctx, gradient):
        return torch.from_numpy(_filtered(gradient.numpy()))


def _filtered(picture: np.ndarray) -> np.ndarray:
    return cv2.sepFilter2D(np.ascontiguousarray(picture), -1, _KERNEL, _KERNEL, borderType=cv2.BORDER_CONSTANT)
