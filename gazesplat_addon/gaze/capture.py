# SPDX-License-Identifier: GPL-3.0-or-later
"""A filmed performance as motion: noisy readings of a face become fixations, saccades, blinks and a quiet head.

Readings jitter by half a degree; played as they are, eyes buzz. So the gaze is explained as rests with jumps between them
(piecewise constant, the number of jumps paid for), each jump played as a saccade of its size at the sub-frame moment that fits
best. Blinks keep the course that was filmed. The gaze is that of eyes and head together, so a head that turns while the gaze
rests costs nothing, and errors of the head cancel in the eyes.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.contract.errors import GazeSplatError
from . import saccade
from .curve import Curve, flat, from_keys
from .saccade import PRIMARY, Saccades
from .schedule import TOLERANCES, Take

JUMP_COST = 16.0             # ours, about 3 ln N: a jump (two coordinates and a moment) must explain this many variances of noise
LEAST_NOISE_DEG = 0.25       # ours: rendered faces jitter less than real ones; below it there is nothing to gain
SHORTEST_REST_S = 0.09        # ours: nobody fixates for less; two frames at 24 fps
FLEETING_S = 0.15            # ours: a rest this short on the way from one to another is a frame in the middle of a jump
YAW_READ_TO = 0.65           # ours: closed share up to which half a blink leaves yaw readable; pitch goes with the lid at once
LONGEST_REST_FRAMES = 240    # bounds the search; a longer rest is two at one place
SMALLEST_SHIFT_DEG = 1.2     # ours: smaller steps are noise as often as not, and are merged
BLINK_FROM, BLINK_DEEP = 0.12, 0.35   # ours: closed share at which a blink begins, and which it must reach
AROUND_S, ENVELOPE = 1.0, 0.8    # ours: the openness of a second before and after, its upper fifth
NARROWEST_OPEN = 0.6         # ours: eyes narrower than this share of their usual opening for seconds are closing
LOWERED_PER_DEG = 0.02       # ours: by how much the upper lid narrows the eye a degree of looking down, at most
SHUT_FROM = 0.80             # ours: an aperture below a fifth is a shut eye; what is left is lashes
UNTRUSTED_SPREAD = 2.5       # readings of one frame that lie this many times further apart than usual: a hand, a blur
HEAD_SMOOTH_S = 0.25         # ours: sigma of the head's low-pass
FARTHEST_DEG = np.array([70.0, 50.0])   # of eyes and head together; the rig has limits of its own for the eyes
CONTACT_REACH_DEG = 7.0      # ours: who looks into the lens is read within this
EQUAL_COST_DEG2 = 0.5        # ours: moments that fit this nearly as well cannot be told apart
_STEP_S = 1 / 240            # grid of sub-frame moments


@dataclass(frozen=True)
class Readings:
    """What was read in N frames of a clip; NaN where no face was found.

    times_s (N,) s · eye_deg (N, 2) yaw (+ subject's left) and pitch (+ up) of the eyes in the head · aperture (N, 2) lid gap over
    iris diameter, left and right · head_deg (N, 3) yaw, pitch, roll · head_m (N, 3) in the portrait's axes · spread (N,) how far
    several readings of one frame lie apart, any unit
    """

    times_s: np.ndarray
    eye_deg: np.ndarray
    aperture: np.ndarray
    head_deg: np.ndarray
    head_m: np.ndarray
    spread: np.ndarray

    def __len__(self) -> int:
        return len(self.times_s)


@dataclass(frozen=True)
class Acting:
    """A performance: a take from second 0 on, and what it was made of.

    gaze_deg (N, 2) denoised gaze at the frames · closed (N, 2) · blinks [(first frame, last frame)] · contact_deg (2,) what was
    taken for the look into the lens · seen (N,) bool, frames whose reading could be trusted
    """

    take: Take
    gaze_deg: np.ndarray
    closed: np.ndarray
    blinks: tuple[tuple[int, int], ...]
    contact_deg: np.ndarray
    seen: np.ndarray


def interpret(readings: Readings, *, head_share: float = 1.0, contact_s: float | None = None) -> Acting:
    """Return the performance in readings; ``head_share`` scales the head's motion, ``contact_s`` names a moment of eye contact.

    Raises GazeSplatError ``nothing-read`` where fewer than ten frames can be used.
    """
    times = readings.times_s - readings.times_s[0]
    seen = _seen(readings)
    if seen.sum() < 10:
        raise GazeSplatError("nothing-read", "No face can be followed in this clip.", "Film one face from the front, in even light.")
    closed, blinks = _lids(readings, seen)
    head_deg, head_m = _head(times, readings, seen)
    usable = seen & (closed.max(1) < BLINK_FROM * 1.5)
    if usable.sum() < 10:
        usable = seen
    total = readings.eye_deg + head_deg[:, :2]
    starts, goals = _rests(times, total, usable)
    contact = _contact(times, starts, goals, contact_s)
    goals = np.clip(goals - contact, -FARTHEST_DEG, FARTHEST_DEG)
    starts, goals = _merged(*_without_fleeting(times, starts, goals))
    readable = np.stack([seen & (closed.max(1) < YAW_READ_TO), usable], 1)
    jumps = _jumps(times, total - contact, readable, starts, goals)
    curves = _gaze_curves(jumps, goals, times[-1]) | _lid_curves(times, closed, blinks)
    rest = np.median(head_deg[seen], axis=0), np.median(head_m[seen], axis=0)
    curves |= _head_curves(times, head_share * (head_deg - rest[0]), head_share * (head_m - rest[1]))
    gaze = np.stack([curves[f"life_gaze_{axis}"].evaluate(times) for axis in ("yaw", "pitch")], 1)
    return Acting(Take(0.0, float(times[-1]), curves, saccades=jumps), gaze, closed, tuple(blinks), contact, seen)


# ---------------------------------------------------------------- what can be trusted

def _seen(readings: Readings) -> np.ndarray:
    found = np.isfinite(readings.eye_deg).all(1) & np.isfinite(readings.aperture).all(1) & np.isfinite(readings.head_deg).all(1)
    if not found.any():
        return found
    usual = np.median(readings.spread[found])
    return found & (readings.spread <= UNTRUSTED_SPREAD * max(usual, 1e-9))


def _filled(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return values (N, ...) with the frames that were not seen drawn straight between their neighbours."""
    at = np.arange(len(values))
    flat_values = values.reshape(len(values), -1)
    filled = np.stack([np.interp(at, at[seen], column[seen]) for column in flat_values.T], 1)
    return filled.reshape(values.shape)


# ---------------------------------------------------------------- lids

def _lids(readings: Readings, seen: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the closed share (N, 2) of each eye, 0 but in blinks, and the blinks as first and last frame.

    Open eyes narrow when they look down, smile or act: closing is judged against how open they are within a second.
    """
    aperture = _filled(readings.aperture, seen)
    pitch = _filled(readings.eye_deg, seen)[:, 1]
    around = max(2, round(AROUND_S / float(np.median(np.diff(readings.times_s)))))
    raw = np.stack([1 - aperture[:, side] / _open_aperture(aperture[:, side], pitch, seen, around) for side in (0, 1)], 1)
    raw = np.clip(raw, 0.0, 1.0)
    both = raw.mean(1)
    closed, blinks = np.zeros_like(raw), []
    for first, last in _runs(both > BLINK_FROM):
        part = slice(first, last + 1)
        if both[part].max() < BLINK_DEEP or not seen[part][both[part] > BLINK_DEEP].any():
            continue
        deep = raw[part].max(0)
        # what is left of the gap of a shut eye is lashes
        closed[part] = raw[part] / np.where(deep > SHUT_FROM, deep, 1.0)
        blinks.append((first, last))
    return closed, blinks


def _open_aperture(aperture: np.ndarray, pitch_deg: np.ndarray, seen: np.ndarray, around: int) -> np.ndarray:
    """Return how open (N,) an eye would be at each frame: the upper envelope nearby, and no less than an eye that looks so far down.

    The floor is what tells eyes that stay shut for seconds from eyes that are narrow for seconds.
    """
    padded = np.pad(aperture, around, mode="edge")
    envelope = np.quantile(np.lib.stride_tricks.sliding_window_view(padded, 2 * around + 1), ENVELOPE, axis=1)
    usual = np.quantile(aperture[seen], ENVELOPE)
    lowered = np.clip(1 + LOWERED_PER_DEG * pitch_deg, 0.4, 1.0)
    return np.maximum(envelope, NARROWEST_OPEN * usual * lowered)


def _lid_curves(times: np.ndarray, closed: np.ndarray, blinks: list[tuple[int, int]]) -> dict[str, Curve]:
    """Return the lids' curves: the filmed course inside each blink, open elsewhere."""
    curves = {}
    for side, name in enumerate(("life_blink_left", "life_blink_right")):
        keys_s, values = [], []
        for first, last in blinks:
            lead, tail = max(first - 1, 0), min(last + 1, len(times) - 1)
            part = np.arange(lead, tail + 1)
            inside = (part >= first) & (part <= last)
            keys_s.append(times[part])
            values.append(np.where(inside, closed[part, side], 0.0))
        if not keys_s:
            curves[name] = flat(0.0, times[-1])
            continue
        at, first_of = np.unique(np.concatenate(keys_s), return_index=True)
        value = np.concatenate(values)[first_of]
        curves[name] = from_keys(at, value, _monotone_slopes(at, value), 0.0, times[-1])
    return curves


def _monotone_slopes(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return slopes (N,) of a cubic that never swings beyond its keys (Fritsch & Carlson 1980)."""
    slopes = np.zeros(len(times))
    if len(times) < 3:
        return slopes
    rate = np.diff(values) / np.diff(times)
    same = rate[:-1] * rate[1:] > 0
    slopes[1:-1][same] = 2 * rate[:-1][same] * rate[1:][same] / (rate[:-1][same] + rate[1:][same])
    return slopes


# ---------------------------------------------------------------- head

def _head(times: np.ndarray, readings: Readings, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the head's turn (N, 3) deg and place (N, 3) m, low-passed: a pose read from one frame wavers."""
    step_s = float(np.median(np.diff(times)))
    sigma = max(HEAD_SMOOTH_S / step_s, 0.5)
    return _smooth(_filled(readings.head_deg, seen), sigma), _smooth(_filled(readings.head_m, seen), sigma)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Return values (N, C) low-passed by a Gaussian of ``sigma`` samples, mirrored about the ends' own values."""
    reach = min(int(np.ceil(3 * sigma)), len(values) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    before, after = 2 * values[0] - values[reach:0:-1], 2 * values[-1] - values[-2:-reach - 2:-1]
    padded = np.concatenate([before, values, after])
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)


def _head_curves(times: np.ndarray, turn_deg: np.ndarray, place_m: np.ndarray) -> dict[str, Curve]:
    """Return the head's curves, eased in and out over at most a second so that ranges join."""
    fade_s = min(1.0, times[-1] / 4)
    gain = np.clip(np.minimum(times, times[-1] - times) / fade_s, 0.0, 1.0)
    gain = gain * gain * (3 - 2 * gain)
    pinned = np.zeros(len(times), bool)
    pinned[[0, -1]] = True
    channels = dict(zip(("head_yaw", "head_pitch", "head_roll"), turn_deg.T, strict=True)) | dict(
        zip(("head_x", "head_y", "head_z"), place_m.T, strict=True))
    return {name: Curve(times, gain * values, np.gradient(gain * values, times) * ~pinned, pinned).thinned(TOLERANCES[name])
            for name, values in channels.items()}


# ---------------------------------------------------------------- gaze

def _rests(times: np.ndarray, gaze: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first frames (R,) of rests and where they rest (R, 2): the piecewise constant gaze of least cost.

    Cost: squared residuals in units of the noise, plus ``JUMP_COST`` a rest. Dynamic programming over the usable frames.
    """
    at = np.flatnonzero(usable)
    values = gaze[at]
    noise = max(LEAST_NOISE_DEG, 1.4826 * float(np.median(np.abs(np.diff(values, axis=0)))) / np.sqrt(2))
    count, shortest = len(at), max(2, round(SHORTEST_REST_S / float(np.median(np.diff(times)))))
    best, cut = np.full(count + 1, np.inf), np.zeros(count + 1, int)
    best[0] = -JUMP_COST
    for end in range(1, count + 1):
        low = max(0, end - LONGEST_REST_FRAMES)
        starts = np.arange(low, max(end - shortest, low) + 1)
        costs = best[starts] + JUMP_COST + _costs(values[low:end], noise)[:len(starts)]
        chosen = int(np.argmin(costs))
        best[end], cut[end] = costs[chosen], starts[chosen]
    edges = [count]
    while edges[-1] > 0:
        edges.append(int(cut[edges[-1]]))
    edges = edges[::-1]
    goals = np.array([np.median(values[a:b], axis=0) for a, b in zip(edges[:-1], edges[1:], strict=True)])
    return at[np.array(edges[:-1])], goals


def _costs(values: np.ndarray, noise: float) -> np.ndarray:
    """Return the cost (M,) of one rest from each sample of ``values`` (M, 2) to their end."""
    # running mean from the end stands for the median: within a rest they differ by little
    count = np.arange(1, len(values) + 1)[:, None]
    mean = (np.cumsum(values[::-1], axis=0) / count)[::-1]
    square = (np.cumsum(values[::-1] ** 2, axis=0))[::-1]
    return np.maximum(square - count[::-1] * mean**2, 0.0).sum(1) / noise**2


def _contact(times: np.ndarray, starts: np.ndarray, goals: np.ndarray, contact_s: float | None) -> np.ndarray:
    """Return the reading (2,) of a look into the lens: that at a named moment, or where the gaze rests longest near it.

    Readings of a look into the lens differ from person to person by a few degrees; how long people look there does not.
    """
    if contact_s is not None:
        return goals[max(np.searchsorted(times[starts], contact_s, "right") - 1, 0)]
    spent = np.diff(np.append(times[starts], times[-1] + np.median(np.diff(times))))
    near = np.hypot(*goals.T) <= CONTACT_REACH_DEG
    if not near.any():
        return np.zeros(2)
    weight = np.where(near, spent, 0.0)
    # rests within a degree or two of each other are looks at the same thing
    close = np.exp(-0.5 * (np.hypot(*(goals[:, None] - goals[None]).transpose(2, 0, 1)) / 1.0) ** 2)
    centre = int(np.argmax((close * weight).sum(1) * near))
    share = close[centre] * weight
    return (goals * share[:, None]).sum(0) / share.sum()


def _without_fleeting(times: np.ndarray, starts: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop rests too short to be any that lie on the way between their neighbours: a frame caught in the middle of a jump."""
    keep = np.ones(len(starts), bool)
    for i in range(1, len(starts) - 1):
        way = goals[i + 1] - goals[i - 1]
        size = float(np.hypot(*way))
        if times[starts[i + 1]] - times[starts[i]] >= FLEETING_S or size < SMALLEST_SHIFT_DEG:
            continue
        along = float((goals[i] - goals[i - 1]) @ way) / size
        off = float(np.hypot(*(goals[i] - goals[i - 1] - along * way / size)))
        keep[i] = not (0 < along < size and off < max(0.15 * size, 1.0))
    return starts[keep], goals[keep]


def _merged(starts: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop steps too small to tell from noise: the later rest joins the earlier."""
    keep = [0]
    for i in range(1, len(goals)):
        if np.hypot(*(goals[i] - goals[keep[-1]])) >= SMALLEST_SHIFT_DEG:
            keep.append(i)
    return starts[keep], goals[keep]


def _jumps(times: np.ndarray, gaze: np.ndarray, readable: np.ndarray, starts: np.ndarray, goals: np.ndarray) -> Saccades:
    """Return the saccades between rests, each at the sub-frame moment that fits the readable coordinates (N, 2) around it best.

    Where nothing can be read, under shut lids, a jump lies in the middle.
    """
    begin, length = [], []
    for i in range(1, len(starts)):
        size = float(np.hypot(*(goals[i] - goals[i - 1])))
        span_s = float(saccade.durations_s(np.array([size]))[0])
        pinned = np.flatnonzero(readable[starts[i - 1]:starts[i], 1]) + starts[i - 1]
        low = (times[pinned[-1]] if len(pinned) else times[starts[i - 1]]) - span_s
        low = max(low, begin[-1] + length[-1] + 2e-3 if begin else 1e-3)
        moments = np.arange(low, max(times[starts[i]], low + _STEP_S), _STEP_S)
        near = np.flatnonzero(readable.any(1) & (times > low - 0.1) & (times < moments[-1] + 0.1))
        share = np.clip((times[near][None] - moments[:, None]) / span_s, 0.0, 1.0)
        position = saccade.profile(share, np.full_like(share, saccade.peak_share(np.array([size]))[0]))[0]
        played = goals[i - 1] + position[..., None] * (goals[i] - goals[i - 1])
        cost = np.where(readable[near], (played - gaze[near]) ** 2, 0.0).sum((1, 2))
        equal = np.flatnonzero(cost <= cost.min() + EQUAL_COST_DEG2)
        begin.append(float(moments[equal[len(equal) // 2]]))
        length.append(span_s)
    kind = np.full(len(begin), PRIMARY)
    return Saccades(np.array(begin), np.array(length), goals[:-1].reshape(-1, 2), goals[1:].reshape(-1, 2), kind)


def _gaze_curves(jumps: Saccades, goals: np.ndarray, end_s: float) -> dict[str, Curve]:
    """Return gaze curves that rest on the goals, from the first to the last, and start and end at home by a dart."""
    home_s = 0.06
    first, last = goals[0], goals[-1]
    ends = Saccades(np.array([0.0, max(end_s - home_s, 1e-3)]), np.full(2, min(home_s, end_s / 4)), np.array([[0.0, 0.0], last]),
                    np.array([first, [0.0, 0.0]]), np.full(2, PRIMARY))
    inside = jumps.select((jumps.start_s > home_s) & (jumps.end_s < end_s - home_s))
    parts = [ends.select(np.array([0])), inside, ends.select(np.array([1]))]
    keys = [saccade.key_points(part) for part in parts if len(part)]
    times, gaze, slopes = (np.concatenate(arrays) for arrays in zip(*keys, strict=True))
    keep = np.append(True, np.diff(times) > 1e-4)
    return {f"life_gaze_{axis}": Curve(times[keep], gaze[keep, i], slopes[keep, i], np.ones(keep.sum(), bool))
            for i, axis in enumerate(("yaw", "pitch"))}


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
