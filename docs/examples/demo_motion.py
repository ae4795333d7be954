# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo's portrait does: looks to its left, to its right, at you, and blinks. Hand keys, with generated life on top."""
from __future__ import annotations

from dataclasses import dataclass
from math import radians

LIFE_SEED = 3
GAZE_DEG = 22.0
HEAD_SHARE = 0.3            # of a gaze shift that the head takes on; the eyes hold what they look at and give it back
HEAD_DELAY_S, HEAD_TURN_S = 0.06, 0.45
# Saccades last 21 ms and 2.2 ms a degree (Carpenter 1988).
SACCADE_BASE_S, SACCADE_S_PER_DEG = 0.021, 0.0022
SHORTEST_S = 3.0            # a shorter clip plays its blinks and head turns faster
BLINK_S = ((0.0, 0.0), (0.09, 1.0), (0.13, 1.0), (0.34, 0.0))   # (seconds, closed share): down faster than up


@dataclass(frozen=True)
class Beat:
    """One moment: when, as a share of the clip, where the gaze goes (degrees to its left), and whether it blinks."""

    share: float
    yaw_deg: float
    blinks: bool = False


BEATS = (Beat(0.10, GAZE_DEG), Beat(0.36, -GAZE_DEG), Beat(0.62, 0.0, blinks=True), Beat(0.84, 0.0, blinks=True))


def direct(portrait, *, start_frame: int, frame_count: int, fps: float) -> None:
    """Key the portrait over the clip, then let it live."""
    yaw_deg = 0.0
    pace = min(1.0, frame_count / fps / SHORTEST_S)
    _key_gaze(portrait, start_frame, 0.0)
    for beat in BEATS:
        frame = start_frame + beat.share * (frame_count - 1)
        if beat.yaw_deg != yaw_deg:
            seconds = SACCADE_BASE_S + SACCADE_S_PER_DEG * abs(beat.yaw_deg - yaw_deg)
            _key_gaze(portrait, frame, yaw_deg)
            _key_gaze(portrait, frame + seconds * fps, beat.yaw_deg)
            _key_head(portrait, frame + pace * HEAD_DELAY_S * fps, HEAD_SHARE * yaw_deg)
            _key_head(portrait, frame + pace * (HEAD_DELAY_S + HEAD_TURN_S) * fps, HEAD_SHARE * beat.yaw_deg)
            yaw_deg = beat.yaw_deg
        if beat.blinks:
            for seconds, closed in BLINK_S:
                _key_blink(portrait, frame + pace * seconds * fps, closed)
    span = {"seed": LIFE_SEED, "start": start_frame, "end": start_frame + frame_count - 1}
    portrait.add_saccades(state="staring", **span)
    portrait.add_blinks(per_minute=6.0, **span)
    portrait.add_head_drift(**span)
    portrait.add_pupil_life(**span)


def _key_gaze(portrait, frame: float, yaw_deg: float) -> None:
    portrait.gaze = (yaw_deg, 0.0)
    portrait.root.keyframe_insert('["gaze_yaw"]', frame=frame)


def _key_head(portrait, frame: float, yaw_deg: float) -> None:
    portrait.head.rotation_euler.z = radians(yaw_deg)
    portrait.head.keyframe_insert("rotation_euler", index=2, frame=frame)


def _key_blink(portrait, frame: float, closed: float) -> None:
    portrait.eyes.blink = closed
    for side in ("left", "right"):
        portrait.root.keyframe_insert(f'["blink_{side}"]', frame=frame)


def eye_frames(frame_count: int) -> list[int]:
    """Return the indices of four frames worth a closer look: at you, left, right, lids down."""
    shares = (0.05, BEATS[1].share - 0.04, BEATS[2].share - 0.04, BEATS[3].share + 0.035)
    return [min(frame_count - 1, round(share * (frame_count - 1))) for share in shares]
