# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole photos: who looks into the lens is left in peace, who clearly looks up or down past it is noticed."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.eyes.gaze import estimate_rest_gaze
from gazesplat.backend.model import scan_photo as reading
from gazesplat.backend.model.scan import FaceScan
from tests.faces import RecordingContext, astronaut, save


@pytest.fixture(autouse=True)
def gaze_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gaze is read off mask, depth or hints, which take most of the time."""
    monkeypatch.setattr(reading, "with_depth", lambda scan, options, context: scan)
    monkeypatch.setattr(reading.hints, "measure_wander", lambda *_: None)
    monkeypatch.setattr(reading.hints, "advise", lambda *_: None)
    monkeypatch.setattr(reading.hints, "advise_of_edges", lambda mask, warn: None)


def scanned(picture: Path, options: dict) -> tuple[FaceScan, bool]:
    """Return the scan, and whether the gaze was said to be averted."""
    context = RecordingContext()
    scan = reading.scan_photo(picture, options, context)
    return scan, "averted-gaze" in context.codes


def test_the_astronaut_looks_into_the_lens(tmp_path: Path) -> None:
    scan, averted = scanned(save(astronaut(), tmp_path / "astronaut.png"), {})
    assert not averted
    assert estimate_rest_gaze(scan) is None


@pytest.mark.parametrize("name", ["04_man_full_beard_phone_selfie", "16_london_123_man_18_big_curly_hair", "20_woman_glasses_crop"])
def test_those_whose_eyes_seem_to_stand_lowest_and_highest_are_left_in_peace(name: str, extra_data: Path) -> None:
    _, averted = scanned(extra_data / "photos" / "portraits" / f"{name}.jpg", {})
    assert not averted


@pytest.mark.parametrize(("view", "true_deg", "within_deg"), [("view_y+00_p+15", -12.2, 3.0), ("view_y+00_p-15", 19.7, 11.0)])
def test_a_rendered_head_that_looks_past_a_camera_above_or_below_it(view: str, true_deg: float, within_deg: float,
                                                                   extra_data: Path) -> None:
    """What is estimated may be too small, but not too large: the more careful of two signals counts."""
    folder = extra_data / "gt" / "selfie" / "id0"
    request = json.loads((folder / "request.json").read_text())
    camera, ruler = request["camera"], request["eye_ruler"]
    lever = ruler["centre_to_iris_m"]
    scan, averted = scanned(folder / f"{view}.png", {
        "focal_px": camera["fx"], "cx": camera["cx"], "cy": camera["cy"],
        "eye_ruler": {"iris_diameter_m": ruler["iris_diameter_m"], "lever_yaw_m": lever, "lever_pitch_m": lever,
                      "globe_radius_m": ruler["eyeball_radius_m"]}})
    assert averted
    x, y, z = scan.to_portrait(np.zeros(3))
    lens_deg = np.degrees(np.arctan2(z, np.hypot(x, y)))
    found_deg = estimate_rest_gaze(scan)[1] - lens_deg
    assert found_deg == pytest.approx(true_deg, abs=within_deg)
    assert abs(found_deg) < abs(true_deg) + 1.0
