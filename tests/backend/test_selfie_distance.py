# SPDX-License-Identifier: GPL-3.0-or-later
"""One head photographed from near and from far is one head: perspective makes noses large, the reconstruction undoes it."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.model.camera import Intrinsics, unproject_landmarks
from gazesplat.backend.model.face_model import face_model
from gazesplat.backend.model.scan import EyeRuler
from gazesplat.backend.model.scan_photo import scan_photo
from tests.faces import RecordingContext

# Landmark pairs whose distance is a measure of the face.
LENGTHS = {"face width": (234, 454), "jaw width": (172, 397), "mouth width": (61, 291), "outer eye corners": (33, 263),
           "inner eye corners": (133, 362), "nose width": (48, 278), "face height": (10, 152), "lower face": (168, 152),
           "nose length": (168, 4), "nose to lip": (4, 0), "cheeks": (50, 280)}
RIGHT_IRIS, LEFT_IRIS, NOSE_TIP = 468, 473, 4
EYE_CORNERS, SIDES = (33, 133, 263, 362), (234, 454)


def face_measures(photo: Path) -> dict[str, float]:
    """Return lengths of a photographed face in metric 3D, in units of the distance between its irises."""
    scan = scan_photo(photo, {}, RecordingContext())
    radius_px = float(np.mean([eye.radius_px for eye in scan.eyes.values()]))
    points = scan.to_portrait(unproject_landmarks(scan.landmarks_px, radius_px, Intrinsics(scan.fx, scan.cx, scan.cy), scan.ruler))
    unit = np.linalg.norm(points[LEFT_IRIS] - points[RIGHT_IRIS])
    measures = {name: float(np.linalg.norm(points[a] - points[b]) / unit) for name, (a, b) in LENGTHS.items()}
    depth = points[:, 1] / unit
    return measures | {"nose protrusion": float(depth[list(EYE_CORNERS)].mean() - depth[NOSE_TIP]),
                       "face depth": float(depth[list(SIDES)].mean() - depth[NOSE_TIP])}


def test_30_and_60_cm_give_one_shape(extra_data: Path) -> None:
    near, far = (extra_data / "photos" / "portraits" / f"{distance}cm.jpg" for distance in (30, 60))
    if not near.exists() or not far.exists():
        pytest.skip("the extra data has no head at two distances")
    at_30, at_60 = face_measures(near), face_measures(far)
    worst = {name: at_60[name] / at_30[name] - 1.0 for name in at_30}
    assert max(abs(change) for change in worst.values()) < 0.05, worst


def test_perspective_is_undone_exactly_when_the_lens_is_known() -> None:
    """The canonical face, seen at three distances through a pinhole with weak-perspective z, comes back as itself."""
    shape = np.vstack([face_model().vertices, np.zeros((10, 3))]) / 100.0 * [1.0, -1.0, -1.0]
    shape[[RIGHT_IRIS, LEFT_IRIS]] = [shape[[33, 133]].mean(axis=0), shape[[263, 362]].mean(axis=0)]
    eyes_z = shape[[RIGHT_IRIS, LEFT_IRIS], 2].mean()
    for distance_m in (0.25, 0.5, 1.5):
        camera = Intrinsics(focal=1000.0, cx=400.0, cy=300.0)
        seen = shape - [0.0, 0.0, eyes_z] + [0.02, -0.01, distance_m]
        pixels = seen[:, :2] / seen[:, 2:] * camera.focal + [camera.cx, camera.cy]
        relative_px = (seen[:, 2:] - distance_m) * camera.focal / distance_m
        radius_px = camera.focal * 0.5 * EyeRuler().iris_diameter_m / distance_m
        found = unproject_landmarks(np.hstack([pixels, relative_px]), radius_px, camera, EyeRuler())
        assert np.abs(found - seen).max() < 1e-9
