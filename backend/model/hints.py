# SPDX-License-Identifier: GPL-3.0-or-later
"""What spoils a portrait without preventing it: something before the face, glasses, hair beyond the edge of the photo.

The landmark model never says "I cannot see the mouth": it guesses one. A guess gives itself away when the picture is
disturbed: mirrored, made grey, squeezed and sheared. What is seen stays put in the face, what is guessed wanders.

Thresholds come from 573 clear faces (the London, 3DSK and canada sets of webmorphR.stim, portraits of pixls.us, frames
of two clips), of which 8 are taken for covered, and 467 faces with a cup, hands, masks or a phone pasted on: all covered
mouths and eyes are found, and 8 in 10 of the hands on half a cheek. Of 14 filmed faces behind a real hand 12 are found.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .face_checks import Warn
from .face_model import EYE_CORNERS, EYES, IRISES, LIPS, face_model
from .landmarks import Face, FaceReader, warp

CROP_SIDE_PX = 384
FACE_SHARE = 0.62               # of the crop's side
# The inner lip line, which follows the mouth's opening.
_INNER_LIPS = (78, 80, 81, 82, 13, 312, 311, 310, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324, 191, 415)
# Percent of the face's size beyond which a part is taken for guessed. 99 of 100 clear faces stay below 0.75, 0.98, 1.27, 0.62.
MOUTH_LIMIT, EYE_LIMIT, SIDE_LIMIT, WHOLE_LIMIT = 0.85, 1.2, 1.5, 0.68
SIDES_SEEN_YAW_DEG = 20.0       # beyond, the far cheek is hidden by the face itself
_NOT_FOUND = 5.0                # percent, when the disturbed face is not even found
CUT_SHARE = 0.03                # of a picture's side that the head touches: whole heads 0, cut ones from 0.28
# Edges in percent of the skin's brightness: clear faces reach 9.1 across the nose's bridge and 12.9 below both eyes.
BRIDGE_LIMIT, BRIDGE_WITH_RIMS_LIMIT, RIM_LIMIT = 10.5, 6.5, 14.0


@dataclass(frozen=True)
class Wander:
    """How far parts of a face move when the picture is disturbed, in percent of the face's size.

    mouth, eye     lips and the worse eye, relative to the rest of the face, rms over the disturbances
    side           the worse cheek and jaw, and
    whole          the whole face: between the plain readings that were averaged
    """

    mouth: float
    eye: float
    side: float
    whole: float

    def hidden_part(self, yaw_deg: float) -> str | None:
        """Return what seems to be covered ("the mouth", ...), or None; ``yaw_deg`` is the head's."""
        parts = {"the mouth": self.mouth / MOUTH_LIMIT, "an eye": self.eye / EYE_LIMIT, "a part of the face": self.whole / WHOLE_LIMIT,
                 "a cheek": self.side / SIDE_LIMIT if abs(yaw_deg) < SIDES_SEEN_YAW_DEG else 0.0}
        worst = max(parts, key=parts.__getitem__)
        return worst if parts[worst] > 1.0 else None


def measure_wander(reader: FaceReader, picture: np.ndarray, face: Face) -> Wander:
    """Read a refined face in a picture (H, W, 3) uint8 again under disturbances."""
    crop, to_crop = _upright_crop(picture, face)
    size = FACE_SHARE * CROP_SIDE_PX
    plain = _points(reader, crop)
    shifts = []
    for disturbed, back, mirrored in _disturbed(crop):
        points = _points(reader, disturbed)
        if plain is None or points is None:
            shifts.append(np.full(len(face.points_px), _NOT_FOUND / 100.0 * size))
            continue
        points = points @ back[:, :2].T + back[:, 2]
        moved = (points[face_model().mirror] if mirrored else points) - plain
        shifts.append(np.linalg.norm(moved - np.median(moved[:468], axis=0), axis=1))

    def rms(indices: tuple[int, ...]) -> float:
        return 100.0 * float(np.sqrt(np.mean([shift[list(indices)].mean() ** 2 for shift in shifts]))) / size

    spread = 100.0 * face.spread_px / face.size_px
    across, up = face_model().vertices[:, 0], face_model().vertices[:, 1]
    sides = [np.flatnonzero((sign * across > 4.0) & (up < 1.0)) for sign in (1.0, -1.0)]
    return Wander(rms((*LIPS, *_INNER_LIPS)), max(rms((*EYES[side], IRISES[side][0])) for side in EYES),
                  max(float(spread[side].mean()) for side in sides), float(spread[:468].mean()))


def advise(picture: np.ndarray, face: Face, wander: Wander, yaw_deg: float, warn: Warn) -> None:
    """Warn of what stands before a refined face in a picture (H, W, 3) uint8; ``yaw_deg`` is the head's."""
    part = wander.hidden_part(yaw_deg)
    if part is not None:
        warn("occluded", f"Something seems to cover {part}, such as a hand or a cup.",
             "It will stick to the skin: use a photo that shows the whole face.")
    if has_glasses(picture, face):
        warn("glasses", "Glasses are read as part of the skin and do not stand off the face.",
             "Use a photo without glasses for views from the side.")


def advise_of_edges(head_mask: np.ndarray, warn: Warn) -> None:
    """Warn of a head (mask (H, W) 0..1) that runs out of the picture above or at a side; below, the neck is cut anyway."""
    head = head_mask > 0.5
    if max(head[1].mean(), head[:, 1].mean(), head[:, -2].mean()) > CUT_SHARE:
        warn("head-cut", "The hair is cut by the edge of the photo.",
             "The cut shows from the sides: use a photo with some space around the head.")


def has_glasses(picture: np.ndarray, face: Face) -> bool:
    """Tell whether rims cross the bridge of the nose and the cheeks below the eyes.

    Skin is smooth there; a frame is an edge along the line of the eyes. Rimless glasses are not seen.
    """
    right, left = (face.points_px[list(EYE_CORNERS[side]), :2].mean(axis=0) for side in ("right", "left"))
    apart = left - right
    down = np.array([-apart[1], apart[0]])
    # 64 steps from eye to eye; u runs along the eyes from -0.5 to 1.5, v down the face from -0.5 to 1.
    steps = 64
    to_patch = np.linalg.inv(np.vstack([np.column_stack([apart / steps, down / steps, right - 0.5 * (apart + down)]), [0.0, 0.0, 1.0]]))
    patch = cv2.cvtColor(warp(picture, to_patch[:2], (2 * steps + 1, 3 * steps // 2 + 1)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    edge = np.abs(cv2.Sobel(cv2.GaussianBlur(patch, (0, 0), 0.7), cv2.CV_32F, 0, 1, ksize=3)) / 8.0
    skin = float(np.median(patch[:, steps // 2:3 * steps // 2])) + 20.0      # +20: dim pictures are noise

    def part(u0: float, u1: float, v0: float, v1: float) -> np.ndarray:
        return 100.0 / skin * edge[int((v0 + 0.5) * steps):int((v1 + 0.5) * steps), int((u0 + 0.5) * steps):int((u1 + 0.5) * steps)]

    bridge = float(np.median(part(0.4, 0.6, -0.15, 0.3), axis=1).max())
    rims = min(float(np.percentile(part(u0, u1, 0.2, 0.55).max(axis=0), 40)) for u0, u1 in ((-0.2, 0.25), (0.75, 1.2)))
    return bridge > BRIDGE_LIMIT or (bridge > BRIDGE_WITH_RIMS_LIMIT and rims > RIM_LIMIT)


def _upright_crop(picture: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    scale = FACE_SHARE * CROP_SIDE_PX / face.size_px
    to_crop = cv2.getRotationMatrix2D((0.0, 0.0), np.degrees(face.roll_rad), scale)
    to_crop[:, 2] = CROP_SIDE_PX / 2 - to_crop[:, :2] @ face.centre_px
    return warp(picture, to_crop, (CROP_SIDE_PX, CROP_SIDE_PX)), to_crop


def _points(reader: FaceReader, crop: np.ndarray) -> np.ndarray | None:
    """Return the landmarks (478, 2) of the face nearest to the crop's centre."""
    answers = reader.read(crop)
    if not answers:
        return None
    return min(answers, key=lambda face: float(np.linalg.norm(face.centre_px - CROP_SIDE_PX / 2))).points_px[:, :2]


def _disturbed(crop: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """Yield disturbed crops, the affine (2, 3) that takes their points back, and whether left and right are swapped."""
    side = float(CROP_SIDE_PX)
    same = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    yield np.ascontiguousarray(crop[:, ::-1]), np.array([[-1.0, 0.0, side], [0.0, 1.0, 0.0]]), True
    yield cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), same, False
    for across, lean in ((0.8, 0.0), (1.0, 0.15)):
        matrix = np.array([[across, lean, 0.5 * side * (1.0 - across - lean)], [0.0, 1.0, 0.0]])
        yield warp(crop, matrix, (CROP_SIDE_PX, CROP_SIDE_PX)), cv2.invertAffineTransform(matrix), False
