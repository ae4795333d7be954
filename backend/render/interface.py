# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into and comes out of a rasteriser, whichever one does the work.

Every implementation (readable reference, numba, CUDA) takes the same posed splats, camera and
settings and returns the same frame, so that tests can compare them and callers need not care.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

# How far outside the picture a centre may lie before the slope at which its footprint is linearised
# stops growing, as a share of the picture's size beyond each edge: 0.15 on both sides of a centred
# picture is the factor 1.3 of the original 3D Gaussian Splatting rasteriser (Kerbl et al. 2023).
FRUSTUM_MARGIN = 0.15

# The numba rasteriser's exponential is fitted for alphas down to this cut, and 1/255 is the original's.
MIN_ALPHA_CUT = 1.0 / 255.0


class Posed(Protocol):
    """Splats at one instant, colours already evaluated for the camera's position.

    means (N, 3) metres, factors (N, 3, 3) with covariance M M^T in square metres,
    opacities (N,) 0..1, colours (N, 3) display-referred, groups (N,) int part codes.
    """

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Camera:
    """A pinhole (or parallel) camera in OpenCV axes: x right, y down, z forward, pixel centres at +0.5.

    width, height    picture size in pixels
    fx, fy           focal lengths in pixels; pixels per metre when ``orthographic``
    cx, cy           principal point in pixels from the upper left corner
    w2c              (4, 4) portrait (or world) -> camera, metres
    near_m           splats whose centre is nearer than this are not drawn
    orthographic     parallel projection along +z
    sensor           (left, top, right, bottom) of the whole frame in this picture's pixels when the
                     picture is a crop of it; None means the picture is the whole frame
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    w2c: np.ndarray = field(default_factory=lambda: np.eye(4))
    near_m: float = 0.01
    orthographic: bool = False
    sensor: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        w2c = np.array(self.w2c, np.float64, order="C")   # a copy: a frozen camera does not change with the caller's matrix
        if w2c.shape != (4, 4) or not np.isfinite(w2c).all():
            raise ValueError("Camera.w2c must be a finite 4x4 matrix")
        object.__setattr__(self, "w2c", w2c)
        if self.width < 1 or self.height < 1:
            raise ValueError(f"Camera size {self.width}x{self.height} is empty")
        if not (np.isfinite([self.fx, self.fy, self.cx, self.cy]).all() and self.fx > 0 and self.fy > 0):
            raise ValueError("Camera focal lengths must be finite and positive")

    @property
    def position(self) -> np.ndarray:
        """Return the centre of projection (3,) in the portrait frame, metres."""
        return -np.linalg.solve(self.w2c[:3, :3], self.w2c[:3, 3])

    @property
    def slope_limits(self) -> tuple[float, float, float, float]:
        """Return (x_min, x_max, y_min, y_max) for x/z and y/z where a footprint is linearised."""
        left, top, right, bottom = self.sensor or (0.0, 0.0, float(self.width), float(self.height))
        margin_x, margin_y = FRUSTUM_MARGIN * (right - left), FRUSTUM_MARGIN * (bottom - top)
        return ((left - margin_x - self.cx) / self.fx, (right + margin_x - self.cx) / self.fx,
                (top - margin_y - self.cy) / self.fy, (bottom + margin_y - self.cy) / self.fy)

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """Return the camera of a window of this picture; its pixels equal the whole picture's."""
        edges = self.sensor or (0.0, 0.0, float(self.width), float(self.height))
        sensor = (edges[0] - left, edges[1] - top, edges[2] - left, edges[3] - top)
        return replace(self, width=width, height=height, cx=self.cx - left, cy=self.cy - top, sensor=sensor)

    def scaled(self, factor: float) -> Camera:
        """Return the camera of the same view at ``factor`` times the resolution (rounded to pixels)."""
        sensor = None if self.sensor is None else tuple(factor * edge for edge in self.sensor)
        return replace(self, width=max(1, round(self.width * factor)), height=max(1, round(self.height * factor)),
                       fx=self.fx * factor, fy=self.fy * factor, cx=self.cx * factor, cy=self.cy * factor,
                       sensor=sensor)

    def as_dict(self) -> dict:
        """Return plain JSON values: ``w h fx fy cx cy w2c`` and whatever differs from the defaults."""
        fields = {"w": self.width, "h": self.height, "fx": float(self.fx), "fy": float(self.fy),
                  "cx": float(self.cx), "cy": float(self.cy), "w2c": self.w2c.tolist()}
        if self.near_m != Camera.near_m:
            fields["near_m"] = float(self.near_m)
        if self.orthographic:
            fields["orthographic"] = True
        if self.sensor is not None:
            fields["sensor"] = [float(edge) for edge in self.sensor]
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping) -> Camera:
        """Build a camera from ``as_dict`` values; raises KeyError or ValueError on a bad mapping."""
        sensor = fields.get("sensor")
        return cls(int(fields["w"]), int(fields["h"]), float(fields["fx"]), float(fields["fy"]), float(fields["cx"]),
                   float(fields["cy"]), np.asarray(fields["w2c"], np.float64), float(fields.get("near_m", cls.near_m)),
                   bool(fields.get("orthographic", False)), None if sensor is None else tuple(map(float, sensor)))


@dataclass(frozen=True)
class RenderSettings:
    """How splats become pixels; the defaults are those of the original rasteriser and current gsplat.

    low_pass_px2         added to both diagonal entries of every projected covariance, square pixels
    alpha_cut            a splat adds nothing to a pixel where its alpha is below this; at least 1/255
    alpha_cap            largest alpha of one splat at one pixel
    transmittance_stop   a pixel takes nothing more once its transmittance is at or below this
    background           rgb behind the splats, in their colour space; ``Frame.rgb`` includes it
    supersample          the picture is the mean of n x n samples a pixel, splat shapes unchanged
    antialiased          scale opacities by sqrt(det S / det(S + low pass)), so that a splat smaller
                         than a pixel keeps its total weight (Mip-Splatting, Yu et al. 2024)
    """

    low_pass_px2: float = 0.3
    alpha_cut: float = MIN_ALPHA_CUT
    alpha_cap: float = 0.99
    transmittance_stop: float = 1e-4
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    supersample: int = 1
    antialiased: bool = False

    def __post_init__(self) -> None:
        if not MIN_ALPHA_CUT <= self.alpha_cut < 1.0:
            raise ValueError(f"RenderSettings.alpha_cut {self.alpha_cut} is outside 1/255..1")
        if not self.alpha_cut <= self.alpha_cap < 1.0:
            raise ValueError(f"RenderSettings.alpha_cap {self.alpha_cap} is outside alpha_cut..1")
        if not 0.0 <= self.transmittance_stop < 1.0 or not 0.0 < self.low_pass_px2 < np.inf:
            raise ValueError("RenderSettings.transmittance_stop must be in 0..1 and low_pass_px2 positive")
        if self.supersample < 1 or len(self.background) != 3:
            raise ValueError("RenderSettings.supersample must be at least 1 and background have three values")


@dataclass(frozen=True)
class Frame:
    """One picture.

    rgb      (H, W, 3) float32, display-referred, premultiplied by alpha, plus what shows of the background
    alpha    (H, W)    float32, 1 - transmittance of the splats
    depth    (H, W)    float32 or None: expected depth, the mean of the splats' centre depths (camera z,
             metres) weighted by their contributions to the pixel; +inf where nothing contributes
    mattes   name -> (H, W) float32, the share of alpha that comes from the splats of that matte
    """

    rgb: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray | None = None
    mattes: Mapping[str, np.ndarray] = field(default_factory=dict)

    def rgba(self) -> np.ndarray:
        """Return rgb and alpha as one (H, W, 4) array; no copy where they already share one."""
        shared = self.rgb.base
        if shared is not None and shared is self.alpha.base and shared.shape == (*self.alpha.shape, 4):
            return shared
        return np.concatenate([self.rgb, self.alpha[..., None]], axis=2)


def matte_indices(groups: np.ndarray, mattes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Return (N,) int32: each splat's position in ``mattes`` (name -> group codes), -1 for none.

    A code named by several mattes counts for the first.
    """
    index = np.full(len(groups), -1, np.int32)
    for position, codes in reversed(list(enumerate(mattes.values()))):
        index[np.isin(groups, list(codes))] = position
    return index


def checked_arrays(posed: Posed, dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return means, factors, opacities, colours as contiguous ``dtype``; ValueError on a wrong shape."""
    n = len(posed.means)
    shapes = {"means": (n, 3), "factors": (n, 3, 3), "opacities": (n,), "colours": (n, 3)}
    arrays = []
    for name, shape in shapes.items():
        # Writeable too: numba would compile every kernel again for a read-only array.
        array = np.require(getattr(posed, name), dtype, ["C", "A", "W"])
        if array.shape != shape:
            raise ValueError(f"posed {name} has shape {array.shape}, expected {shape}")
        arrays.append(array)
    return tuple(arrays)
