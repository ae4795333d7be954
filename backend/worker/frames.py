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
from ..render.windows import hull, pasted, window_of
from .glances import Neighbourhood, Window, neighbourhood, put, taken
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
class _View:
    """All that a frame is drawn with, besides splats."""

    camera: Camera
    settings: RenderSettings
    mattes: Mapping[str, tuple[int, ...]]
    depth: bool

    def same(self, other: _View) -> bool:
        return (self.camera.as_dict(), self.settings, self.mattes, self.depth) == (
            other.camera.as_dict(), other.settings, other.mattes, other.depth)

    def draw(self, posed: PosedSplats, threads: int | None, window: Window | None = None) -> Frame:
        camera = self.camera
        if window is not None:
            camera = camera.cropped(window[0], window[1], window[2] - window[0], window[3] - window[1])
        return render(posed, camera, self.settings, threads=threads, depth=self.depth, mattes=self.mattes)


@dataclass(frozen=True)
class _Drawn:
    """The last frame, and what it was made from. ``frame`` and ``near`` are None where no windows were asked for."""

    asked: list[Asked]
    posed: PosedSplats
    view: _View
    frame: Frame | None
    near: Neighbourhood | None


class FrameMaker:
    """Draws frames, and remembers the last one: its splats are changed in place."""

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
        mattes = {str(name): tuple(codes) for name, codes in header.get("mattes", {}).items()}
        view = _View(camera, RenderSettings(**header.get("settings", {})), mattes, bool(header.get("depth", False)))
        # A window's pixels differ from the whole picture's by some 1e-6: only who asks for it has frames that depend on the last.
        by_windows, last = bool(header.get("windows", False)), self._last
        # What fails half-way must not be built upon.
        self._last = None
        if last is None or not only_eyes_differ(asked, last.asked):
            posed = joined([moved(one.held.posed(one.pose, one.eye_point_m), one.to_common) for one in asked])
            frame, near = view.draw(posed, self._threads), None
        else:
            posed, (changed, eyes) = last.posed, changed_eyes(asked, last.asked)
            if by_windows and last.frame is not None and last.view.same(view):
                frame, near = self._glance(last, changed, eyes)
            else:
                put(posed, changed, eyes)
                frame, near = view.draw(posed, self._threads), None
        self._last = _Drawn(asked, posed, view, frame if by_windows else None, near)
        return frame

    def _glance(self, last: _Drawn, changed: np.ndarray, eyes: PosedSplats) -> tuple[Frame, Neighbourhood | None]:
        """Return the last frame with the windows drawn again in which eyes have changed, and what they were drawn from."""
        view, near, every = last.view, last.near, np.arange(len(changed))
        before = taken(last.posed, changed)
        put(last.posed, changed, eyes)
        window = hull([window_of(one, every, view.camera, view.settings) for one in (before, eyes)])
        if window is not None and (near is None or not near.holds(window)):
            near = neighbourhood(last.posed, all_moving(last.asked), window, view.camera, view.settings)
        elif near is not None:
            near.put(changed, eyes)
        if window is None:
            return last.frame, near
        return pasted(last.frame, view.draw(near.posed, self._threads, window), window), near


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


def only_eyes_differ(asked: Sequence[Asked], before: Sequence[Asked]) -> bool:
    """Return whether two frames show the same portraits in the same places, seen from the same point."""
    return len(asked) == len(before) and all(now.same_but_pose(then) for now, then in zip(asked, before, strict=True))


def changed_eyes(asked: Sequence[Asked], before: Sequence[Asked]) -> tuple[np.ndarray, PosedSplats]:
    """Return the indices (K,) among all splats of those that another pose moves, and these as they are posed now."""
    changed, parts, first = [np.zeros(0, np.int64)], [], 0
    for now, then in zip(asked, before, strict=True):
        if now.pose != then.pose:
            changed.append(now.held.moving + first)
            parts.append(moved(now.held.posed_eyes(now.pose, now.eye_point_m), now.to_common))
        first += len(now.held.splats)
    return np.concatenate(changed), joined(parts)


def all_moving(asked: Sequence[Asked]) -> np.ndarray:
    """Return the indices (K,) among all splats of those that a pose may move."""
    firsts = np.cumsum([0, *(len(one.held.splats) for one in asked)])
    return np.concatenate([one.held.moving + first for one, first in zip(asked, firsts[:-1], strict=True)])


def moved(posed: PosedSplats, transform: np.ndarray | None) -> PosedSplats:
    """Return the splats after an affine transform (4, 4), None for the identity."""
    if transform is None:
        return posed
    linear = transform[:3, :3].astype(np.float32)
    means = (posed.means @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32)
    return replace(posed, means=means, factors=linear @ posed.factors)


def joined(posed: Sequence[PosedSplats]) -> PosedSplats:
    """Return all splats as one set, in order."""
    if len(posed) == 1:
        return posed[0]
    empty = PosedSplats(*(np.zeros((0, *shape), np.float32) for shape in ((3,), (3, 3), (), (3,))), np.zeros(0, np.uint8))
    names = ("means", "factors", "opacities", "colours", "groups")
    return PosedSplats(*(np.concatenate([getattr(one, name) for one in (empty, *posed)]) for name in names))
