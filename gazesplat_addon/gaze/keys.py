# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyframes as arrays: what an F-curve holds, and how a range of it is replaced without touching the rest.

An F-curve is cut at both ends of the range by splitting its cubics, so that outside the range it plays exactly
as before. Inside, the new motion is joined to it: where the old curve was away from 0 at the border, a short move
(a seam) leads from there to 0. Seam keys are marked, and a later clearing removes seams that join nothing.
"""
from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from .curve import Curve

CONSTANT, LINEAR, BEZIER = 0, 1, 2      # interpolation of the span after a key; others are read as BEZIER
EPSILON_FRAMES = 5e-3                   # two keys closer than this are one; a float32 frame 20,000 is known to 0.002
EVEN_TIME = 1e-4                        # handles within this share of a span count as lying at its thirds
REST = 1e-5                             # values below it count as 0: 1e-5 deg, m or share


@dataclass(frozen=True)
class Keys:
    """N keyframes of one F-curve, in frames and the property's unit.

    points (N, 2), left (N, 2), right (N, 2): key and handles as (frame, value), float64; interpolation (N,) int, of the span
    after each key; seam (N,) bool: made to join ranges; origin (N,) int: place of the key in the F-curve it was read from,
    -1 for a new one, so that a writer can carry over everything else that a key holds.
    """

    points: np.ndarray
    left: np.ndarray
    right: np.ndarray
    interpolation: np.ndarray
    seam: np.ndarray
    origin: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    @property
    def frames(self) -> np.ndarray:
        """Frames (N,) of the keys."""
        return self.points[:, 0]

    @property
    def values(self) -> np.ndarray:
        """Values (N,) at the keys."""
        return self.points[:, 1]

    def select(self, mask: np.ndarray) -> Keys:
        """Return the keys chosen by a mask, an index array or a slice."""
        return Keys(*(getattr(self, f.name)[mask] for f in fields(self)))

    def evaluate(self, frames: np.ndarray) -> np.ndarray:
        """Return the values (M,) that Blender would play at frames (M,); held before the first and after the last key."""
        frames = np.asarray(frames, float)
        if len(self) < 2:
            return np.full(frames.shape, self.values[0] if len(self) else 0.0)
        i = np.clip(np.searchsorted(self.frames, frames, "right") - 1, 0, len(self) - 2)
        held = np.clip(frames, self.frames[0], self.frames[-1])
        p0, p3 = self.points[i], self.points[i + 1]
        p1, p2 = _thirds(p0, self.right[i], self.left[i + 1], p3, self.interpolation[i] == LINEAR)
        span = p3[:, 0] - p0[:, 0]
        share = (held - p0[:, 0]) / span
        # handles at thirds, as all of ours, make time run evenly: only other spans have to be solved
        bent = (np.abs(p1[:, 0] - p0[:, 0] - span / 3) + np.abs(p3[:, 0] - p2[:, 0] - span / 3)) > EVEN_TIME * span
        if bent.any():
            share[bent] = _share_at(*(p[bent, 0] for p in (p0, p1, p2, p3)), held[bent])
        value = _cubic(p0[:, 1], p1[:, 1], p2[:, 1], p3[:, 1], share)
        return np.where((self.interpolation[i] == CONSTANT) & (held < p3[:, 0]), p0[:, 1], value)


def empty() -> Keys:
    """Return no keys."""
    none = np.zeros((0, 2))
    return Keys(none, none, none, np.zeros(0, int), np.zeros(0, bool), np.zeros(0, int))


def from_slopes(frames: np.ndarray, values: np.ndarray, slopes: np.ndarray, *, seam: bool = False) -> Keys:
    """Return new Bezier keys (N,) whose handles, at a third of each span, make cubics with the given slopes per frame."""
    n = len(frames)
    span = np.diff(frames)
    before, after = np.append(span[:1], span) / 3, np.append(span, span[-1:]) / 3
    points = np.stack([frames, values], 1).astype(float)
    return Keys(points, points - np.stack([before, before * slopes], 1), points + np.stack([after, after * slopes], 1),
                np.full(n, BEZIER), np.full(n, seam), np.full(n, -1))


def straightened(keys: Keys) -> Keys:
    """Return the keys joined by straight lines."""
    third = np.diff(keys.points, axis=0) / 3
    left, right = keys.left.copy(), keys.right.copy()
    left[1:], right[:-1] = keys.points[1:] - third, keys.points[:-1] + third
    return replace(keys, left=left, right=right, interpolation=np.full(len(keys), LINEAR))


def cut(old: Keys, start_frame: float, end_frame: float) -> tuple[Keys, Keys]:
    """Return what lies before and after a range, each with its own key on the border where the old curve reached into the range.

    Both play as the old curve did. A side on which nothing but seams is left comes back empty.
    """
    before = _tail_cut(old, start_frame, held=0)
    after = _mirrored(_tail_cut(_mirrored(old), -end_frame, held=1))
    return before, after


def cleared(old: Keys, start_frame: float, end_frame: float, *, ease_frames: float) -> Keys:
    """Return the keys without those of a range, resting at 0 inside it; none where nothing is left outside."""
    before, after = cut(old, start_frame, end_frame)
    if len(before) == 0 and len(after) == 0:
        return empty()
    rest = from_slopes(np.array([start_frame, end_frame], float), np.zeros(2), np.zeros(2), seam=True)
    result = joined(before, rest, after, ease_frames=ease_frames)
    # beyond the last part that plays, a resting key would only be litter
    first, last = (0 if len(before) else 1), (len(result) if len(after) else -1)
    return result.select(slice(first, last))


def joined(before: Keys, middle: Keys, after: Keys, *, ease_frames: float) -> Keys:
    """Return one curve of three parts; where ``middle`` does not meet its neighbours at a border, a seam leads over.

    A seam takes ``ease_frames`` or half of the middle, whichever is less, and lies inside the middle.
    """
    start, end = middle.frames[[0, -1]]
    ease = min(ease_frames, (end - start) / 2)
    rise = before.values[-1] - middle.values[0] if len(before) else 0.0
    fall = after.values[0] - middle.values[-1] if len(after) else 0.0
    for border, inner, value in ((start, start + ease, rise), (end, end - ease, fall)):
        if abs(value) > REST:
            middle = _with_ramp(middle, border, inner, value)
    return _merged([part for part in (_open_end(before, middle), middle, _open_start(after, middle)) if len(part)])


def _with_ramp(middle: Keys, border: float, inner: float, value: float) -> Keys:
    """Add a smooth ramp from ``value`` at the border frame to 0 at the inner frame."""
    low, high = min(border, inner), max(border, inner)
    knots = np.unique(np.concatenate([middle.frames, [low, high]]))
    knots = knots[np.append(True, np.diff(knots) > EPSILON_FRAMES)]
    curve = _as_curve(middle)
    ends = (value, 0.0) if border < inner else (0.0, value)
    ramp = Curve(np.array([low, high]), np.array(ends), np.zeros(2), np.ones(2, bool))
    result = from_slopes(knots, curve.evaluate(knots) + ramp.evaluate(knots), curve.velocity(knots) + ramp.velocity(knots))
    near = np.abs(knots[:, None] - middle.frames)
    was_seam = middle.seam[near.argmin(1)] & (near.min(1) <= EPSILON_FRAMES)
    return replace(result, seam=was_seam | ((knots >= low - EPSILON_FRAMES) & (knots <= high + EPSILON_FRAMES)))


def _as_curve(keys: Keys) -> Curve:
    """Read keys made by ``from_slopes`` back as values and slopes, times in frames."""
    arm = keys.right - keys.points
    return Curve(keys.frames, keys.values, arm[:, 1] / arm[:, 0], np.ones(len(keys), bool))


def _tail_cut(old: Keys, frame: float, held: int) -> Keys:
    """Return the keys before a frame, ended by a key on it that keeps the old curve's shape up to there.

    ``held`` names the end (0 or 1) of a constant span whose value it holds: the later one when time is reversed.
    """
    outside = np.flatnonzero(old.frames < frame - EPSILON_FRAMES)
    if len(outside) == 0 or old.seam[outside].all():
        return empty()
    kept = old.select(outside)
    last = outside[-1]
    if last + 1 == len(old):
        return kept   # the old curve ended before the range and was held
    nxt = last + 1
    if old.seam[last] and old.seam[nxt]:
        return kept   # nothing but a seam reaches into the range
    p0, p3 = old.points[last], old.points[nxt]
    p1, p2 = _thirds(p0[None], old.right[None, last], old.left[None, nxt], p3[None], np.array([old.interpolation[last] == LINEAR]))
    share = _share_at(p0[:1], p1[:, 0], p2[:, 0], p3[:1], np.array([min(frame, p3[0])]))[0]
    a, b, c = _mix(p0, p1[0], share), _mix(p1[0], p2[0], share), _mix(p2[0], p3, share)
    d, e = _mix(a, b, share), _mix(b, c, share)
    border = np.array([frame, _mix(d, e, share)[1]])
    if old.interpolation[last] == CONSTANT:
        border[1] = d[1] = old.values[last + held]
    end = Keys(border[None], d[None], (2 * border - d)[None], np.array([BEZIER]), np.array([True]), np.array([-1]))
    right = kept.right.copy()
    right[-1] = a
    return _concatenated([replace(kept, right=right), end])


def _mirrored(keys: Keys) -> Keys:
    """Return the keys with time reversed, so that one routine cuts both ends."""
    flip = np.array([-1.0, 1.0])
    spans = np.append(keys.interpolation[:-1][::-1], BEZIER) if len(keys) else keys.interpolation
    return Keys((keys.points * flip)[::-1], (keys.right * flip)[::-1], (keys.left * flip)[::-1], spans, keys.seam[::-1], keys.origin[::-1])


def _open_end(before: Keys, middle: Keys) -> Keys:
    """Hold the last value up to the middle where the old curve ended before it."""
    if len(before) == 0 or before.frames[-1] > middle.frames[0] - EPSILON_FRAMES:
        return before
    right = before.right.copy()
    right[-1] = before.points[-1] + [(middle.frames[0] - before.frames[-1]) / 3, 0.0]
    return replace(before, right=right)


def _open_start(after: Keys, middle: Keys) -> Keys:
    """Hold the first value back to the middle where the old curve began after it."""
    if len(after) == 0 or after.frames[0] < middle.frames[-1] + EPSILON_FRAMES:
        return after
    left = after.left.copy()
    left[0] = after.points[0] - [(after.frames[0] - middle.frames[-1]) / 3, 0.0]
    return replace(after, left=left)


def _merged(parts: list[Keys]) -> Keys:
    """Concatenate parts; where two share a border frame, keep one key with the earlier's left and the later's right handle."""
    result = parts[0]
    for part in parts[1:]:
        if abs(result.frames[-1] - part.frames[0]) <= EPSILON_FRAMES:
            left = part.left.copy()
            left[0] = result.left[-1] + (part.points[0] - result.points[-1])
            seam = part.seam.copy()
            seam[0] |= result.seam[-1]
            result, part = result.select(slice(None, -1)), replace(part, left=left, seam=seam)
        result = _concatenated([result, part])
    return result


def _concatenated(parts: list[Keys]) -> Keys:
    return Keys(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Keys)))


def _thirds(p0, p1, p2, p3, straight) -> tuple[np.ndarray, np.ndarray]:
    """Return the inner control points (M, 2), those of a straight line where ``straight`` (M,)."""
    straight = straight[:, None]
    return np.where(straight, p0 + (p3 - p0) / 3, p1), np.where(straight, p3 - (p3 - p0) / 3, p2)


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a + share * (b - a)


def _cubic(y0, y1, y2, y3, u) -> np.ndarray:
    v = 1 - u
    return v * v * v * y0 + 3 * v * v * u * y1 + 3 * v * u * u * y2 + u * u * u * y3


def _share_at(x0, x1, x2, x3, x) -> np.ndarray:
    """Return the Bezier parameter (M,) at which time reaches x (M,): bisection, since time never runs backwards."""
    low, high = np.zeros(len(x)), np.ones(len(x))
    for _ in range(44):
        middle = (low + high) / 2
        early = _cubic(x0, x1, x2, x3, middle) < x
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    return (low + high) / 2
