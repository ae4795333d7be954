# SPDX-License-Identifier: GPL-3.0-or-later
"""From a ``draw`` message to a frame, doing again only what changed since the last one.

All portraits of a frame are drawn together, in the frame of the first one: a head that moves alone then costs
nothing but another camera matrix, and numbers stay as small as the portraits are, wherever in the world they stand.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...gazesplat_addon.rig.pose import EyePose, Pose, PosedSplats
from ..render import Camera, Frame, RenderSettings, render
from ..render.windows import redraw
from .portraits import HeldPortrait

# A parallel camera sees every splat from the same side: as from this far away, where a head subtends 0.00003 rad.
PARALLEL_DISTANCE_M = 1e4


@dataclass(frozen=True)
class Asked:
    """One portrait in one frame.

    held          the portrait, as it lies in memory
    to_common     (4, 4) from its frame to the one all are drawn in, None where they are the same
    eye_point_m   (3,) the camera in the portrait's frame
    pose          of its eyes
    """

    held: HeldPortrait
    to_common: np.ndarray | None
    eye_point_m: np.ndarray
    pose: Pose

    def same_but_pose(self, other: Asked) -> bool:
        """Return whether only the eyes' pose may differ from another frame's."""
        if self.held is not other.held or (self.to_common is None) != (other.to_common is None):
            return False
        if self.to_common is not None and not np.array_equal(self.to_common, other.to_common):
            return False
        return self.held.splats.sh_degree == 0 or np.array_equal(self.eye_point_m, other.eye_point_m)


@dataclass(frozen=True)
class Ray:
    """Where the rays of one sample begin and end, for every pixel alike.

    pixel_px   (x, y) from the pixel's centre, pixels, y down
    lens_m     (x, y) from the lens's centre, metres, y down
    focus_m    distance along the view where all rays of a pixel meet
    """

    pixel_px: tuple[float, float] = (0.0, 0.0)
    lens_m: tuple[float, float] = (0.0, 0.0)
    focus_m: float = 1.0


@dataclass(frozen=True)
class _Drawn:
    """The last frame, where windows of it may be asked for, and what it was made from."""

    asked: list[Asked]
    posed: list[PosedSplats]
    view: tuple
    together: PosedSplats
    frame: Frame | None


class FrameMaker:
    """Draws frames, and remembers the last one."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._last: _Drawn | None = None

    def draw(self, header: Mapping, portraits: Mapping[str, HeldPortrait], ray: Ray | None = None) -> Frame:
        """Return the frame of a ``draw`` message (see docs/engine.md), along other rays than the pixels' centres'
        where ``ray`` is given; KeyError or ValueError for a bad one.
        """
        camera, asked = place(header, portraits)
        if ray is not None:
            camera = seen_along(camera, ray)
        settings = RenderSettings(**header.get("settings", {}))
        mattes = {str(name): tuple(codes) for name, codes in header.get("mattes", {}).items()}
        depth = bool(header.get("depth", False))
        view = (camera.as_dict(), settings, mattes, depth)
        last = self._last if self._last is not None and len(self._last.asked) == len(asked) else None
        posed, changed = pose_all(asked, last)
        together = joined(posed)
        # A window's pixels differ from the whole picture's by some 1e-6: only who asks for it has frames that depend on the last.
        by_windows = header.get("windows", False)
        if by_windows and last is not None and last.frame is not None and changed is not None and last.view == view:
            frame = redraw(last.frame, last.together, together, camera, settings, changed=changed, threads=self._threads, mattes=mattes)
        else:
            frame = render(together, camera, settings, threads=self._threads, depth=depth, mattes=mattes)
        self._last = _Drawn(asked, posed, view, together, frame if by_windows else None)
        return frame


def place(header: Mapping, portraits: Mapping[str, HeldPortrait]) -> tuple[Camera, list[Asked]]:
    """Return the camera of the common frame and what is asked of each portrait."""
    camera, entries = Camera.from_dict(header["camera"]), header["portraits"]
    to_world = [np.asarray(entry["matrix"], np.float64).reshape(4, 4) for entry in entries]
    if not to_world:
        return camera, []
    asked = []
    for k, (entry, matrix) in enumerate(zip(entries, to_world, strict=True)):
        own = replace(camera, w2c=camera.w2c @ matrix)
        pose = Pose({side: EyePose(*map(float, values)) for side, values in entry["eyes"].items()})
        asked.append(Asked(portraits[entry["digest"]], None if k == 0 else np.linalg.solve(to_world[0], matrix), eye_point(own), pose))
    return replace(camera, w2c=camera.w2c @ to_world[0]), asked


def seen_along(camera: Camera, ray: Ray) -> Camera:
    """Return the camera whose pixel centres see what ``ray`` sees: a point at ``focus_m`` stays where it is in the picture.

    A lens is a camera that moves sideways and looks back at the plane of focus; where rays are parallel it leans.
    """
    w2c, cx, cy = camera.w2c.copy(), camera.cx - ray.pixel_px[0], camera.cy - ray.pixel_px[1]
    x, y = ray.lens_m
    if camera.orthographic:
        w2c[0] += x / ray.focus_m * w2c[2]
        w2c[1] += y / ray.focus_m * w2c[2]
    else:
        cx, cy = cx + camera.fx * x / ray.focus_m, cy + camera.fy * y / ray.focus_m
    w2c[0, 3] -= x
    w2c[1, 3] -= y
    return replace(camera, w2c=w2c, cx=cx, cy=cy)


def eye_point(camera: Camera) -> np.ndarray:
    """Return the point (3,) from which colours are seen."""
    if not camera.orthographic:
        return camera.position
    return np.linalg.solve(camera.w2c[:3, :3], np.array([0.0, 0.0, -PARALLEL_DISTANCE_M]) - camera.w2c[:3, 3])


def pose_all(asked: Sequence[Asked], last: _Drawn | None) -> tuple[list[PosedSplats], np.ndarray | None]:
    """Return each portrait posed in the common frame, and the indices (K,) of all splats that changed; None for "any"."""
    if last is None or not all(now.same_but_pose(then) for now, then in zip(asked, last.asked, strict=True)):
        return [moved(one.held.posed(one.pose, one.eye_point_m), one.to_common) for one in asked], None
    posed, changed, first = [], [np.zeros(0, np.int64)], 0
    for now, then, before in zip(asked, last.asked, last.posed, strict=True):
        if now.pose != then.pose:
            eyes = moved(now.held.posed_eyes(now.pose, now.eye_point_m), now.to_common)
            before = pasted(before, eyes, now.held.moving)
            changed.append(now.held.moving + first)
        posed.append(before)
        first += len(before)
    return posed, np.concatenate(changed)


def moved(posed: PosedSplats, transform: np.ndarray | None) -> PosedSplats:
    """Return the splats after an affine transform (4, 4), None for the identity."""
    if transform is None:
        return posed
    linear = transform[:3, :3].astype(np.float32)
    means = (posed.means @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32)
    return replace(posed, means=means, factors=linear @ posed.factors)


def pasted(posed: PosedSplats, part: PosedSplats, where: np.ndarray) -> PosedSplats:
    """Return a copy of ``posed`` with the splats at indices ``where`` (K,) replaced."""
    arrays = {}
    for name in ("means", "factors", "opacities", "colours"):
        arrays[name] = getattr(posed, name).copy()
        arrays[name][where] = getattr(part, name)
    return replace(posed, **arrays)


def joined(posed: Sequence[PosedSplats]) -> PosedSplats:
    """Return all splats as one set, in order."""
    if len(posed) == 1:
        return posed[0]
    empty = PosedSplats(*(np.zeros((0, *shape), np.float32) for shape in ((3,), (3, 3), (), (3,))), np.zeros(0, np.uint8))
    names = ("means", "factors", "opacities", "colours", "groups")
    return PosedSplats(*(np.concatenate([getattr(one, name) for one in (empty, *posed)]) for name in names))
