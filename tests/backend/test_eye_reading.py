# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read off eyes in a photo: the iris' size and place, and where the person looks, on drawn eyes whose truth is known."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest

from gazesplat.backend.eyes.contour import EyeContour, LidContour
from gazesplat.backend.eyes.find_eyes import clear_of_iris, clear_of_shade
from gazesplat.backend.eyes.gaze import DEGREES_UP_PER_SCORE, IRIS_ABOVE_CORNERS, SCORE_AHEAD, estimate_rest_gaze, round_irises
from gazesplat.backend.eyes.geometry import iris_points
from gazesplat.backend.eyes.limbus import RULER_SHARE, level_with_limbus, measure_limbus
from gazesplat.backend.model.scan import EyeRuler
from gazesplat.gazesplat_addon.splat.srgb import decoded, encoded

RADIUS_PX = 12.0
CENTRES = {"right": np.array([60.3, 50.2]), "left": np.array([160.6, 49.9])}


def lid_contour(side: str, shift_px: float = 0.0) -> LidContour:
    """An opening of four iris radii whose middle lies at the iris of a look straight ahead."""
    outward = 1.0 if side == "left" else -1.0
    inner = CENTRES[side] - np.array([outward * 2.0 * RADIUS_PX + shift_px, 0.0])
    margin = np.array([0.9 * RADIUS_PX, 0.0, 0.0, 0.0, 0.0])
    return LidContour(inner, np.array([outward, 0.0]), np.array([0.0, -1.0]), 4.0 * RADIUS_PX, margin, -margin)


def drawn_eyes(blur_px: float, brightness: float = 0.35) -> np.ndarray:
    """Two irises with a ring and rims blurred in light on white, (H, W) float32."""
    y, x = np.mgrid[:100, :220] + 0.5
    light = decoded(np.full(x.shape, 0.8))
    for centre in CENTRES.values():
        rho = np.hypot(x - centre[0], y - centre[1])
        inside = np.clip(0.5 - (rho - RADIUS_PX) / (2.0 * blur_px), 0.0, 1.0)
        light = light * (1.0 - inside) + decoded(brightness - 0.1 * (rho > 0.8 * RADIUS_PX)) * inside
    return encoded(light)


@pytest.mark.parametrize("blur_px", [0.7, 1.5])
@pytest.mark.parametrize("guess", [0.97, 1.03])
@pytest.mark.parametrize("brightness", [0.15, 0.35, 0.5])
def test_the_limbus_is_found_within_a_hundredth(blur_px, guess, brightness):
    eyes = {side: EyeContour(lid_contour(side), centre + [0.3, 0.0], guess * RADIUS_PX, 0.4) for side, centre in CENTRES.items()}
    found = measure_limbus(drawn_eyes(blur_px, brightness), eyes)
    for side, eye in found.items():
        assert eye.radius_px / RULER_SHARE == pytest.approx(RADIUS_PX, rel=0.01)
        assert eye.iris_px[0] == pytest.approx(CENTRES[side][0], abs=0.12)
    assert found["left"].radius_px == found["right"].radius_px


@pytest.mark.parametrize("too_low_px", [-0.5, 0.0, 0.5])
def test_the_height_of_an_iris_is_found_under_a_lids_shade(too_low_px):
    y = np.mgrid[:100, :220][0] + 0.5
    for side, centre in CENTRES.items():
        lids = lid_contour(side)
        shade = 1.0 - 0.5 * np.exp(-np.maximum(y - (centre[1] - 0.9 * RADIUS_PX), 0.0) / (0.3 * RADIUS_PX))
        eye = EyeContour(lids, centre + [0.0, too_low_px], RADIUS_PX, 0.4)
        found = level_with_limbus((drawn_eyes(0.8) * shade).astype(np.float32), eye)
        assert found.iris_px[0] == pytest.approx(centre[0], abs=1e-9)
        assert found.iris_px[1] == pytest.approx(centre[1], abs=0.1)


@pytest.mark.parametrize(("rim", "too_high", "lowered"), [(0.3, 0.2, 0.2), (0.3, 0.0, 0.0), (0.02, 0.2, 0.0)])
def test_a_lower_margin_taken_too_high_in_shade_is_lowered(rim, too_high, lowered):
    """The wet edge is brighter than the iris there. A made-up rim is darker, and no iris."""
    r, centre = 24.0, np.array([100.0, 100.0])
    lids = LidContour(np.array([50.0, 110.0]), np.array([1.0, 0.0]), np.array([0.0, -1.0]), 100.0,
                      np.array([26.0, 0.0, 0.0, 0.0, 0.0]), np.array([-6.0, 0.0, 0.0, 0.0, 0.0]))
    y, x = np.mgrid[:200, :200] + 0.5
    local = lids.to_local(np.stack([x, y], -1))
    below = lids.lower_at(local[..., 0]) - local[..., 1]
    grey = np.where(np.hypot(x - centre[0], y - centre[1]) < r, 0.1, 0.22)
    # A made-up rim lies between the margin that was found and skin; else skin begins where the iris ends.
    grey = np.where(below > too_high * r, 0.3, np.where(below > 0.0, min(rim, 0.1), grey))
    grey = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.8)
    eye = EyeContour(lids, centre, r, 0.2)
    moved = (lids.lower[0] - clear_of_iris(grey, eye).lids.lower[0]) / r
    assert moved == pytest.approx(lowered, abs=0.05)


@pytest.mark.parametrize(("shade_px", "skin", "raised_px"), [(4.0, 0.5, 4.0), (0.0, 0.5, 0.0), (0.0, 0.75, 0.0)])
def test_an_upper_margin_taken_for_the_edge_of_its_own_shade_is_raised(shade_px, skin, raised_px):
    """Globe in shade lies below the lash line. Where the margin is right already, or skin follows without a line, it stays."""
    r, centre = 24.0, np.array([100.0, 100.0])
    lids = LidContour(np.array([50.0, 110.0]), np.array([1.0, 0.0]), np.array([0.0, -1.0]), 100.0,
                      np.array([24.0, 0.0, 0.0, 0.0, 0.0]), np.array([-12.0, 0.0, 0.0, 0.0, 0.0]))
    y, x = np.mgrid[:200, :200] + 0.5
    local = lids.to_local(np.stack([x, y], -1))
    above = local[..., 1] - lids.upper_at(local[..., 0])
    globe = np.where(np.hypot(x - centre[0], y - centre[1]) < r, 0.3, 0.8)
    line = 0.1 if skin < 0.75 else skin
    beyond = np.where(above < shade_px, 0.6 * globe, np.where(above < shade_px + 6.0, line, skin))
    grey = cv2.GaussianBlur(np.where(above < 0.0, globe, beyond).astype(np.float32), (0, 0), 0.8)
    middle = np.array([0.3, 0.5, 0.7]) * lids.width_px
    moved = clear_of_shade(grey, EyeContour(lids, centre, r, 0.2)).lids.upper_at(middle) - lids.upper_at(middle)
    assert moved == pytest.approx(raised_px, abs=1.0)


def test_an_iris_without_an_edge_stays_where_it_was():
    eyes = {side: EyeContour(lid_contour(side), centre, RADIUS_PX, 0.4) for side, centre in CENTRES.items()}
    for side, eye in measure_limbus(np.full((100, 220), 0.4, np.float32), eyes).items():
        assert np.array_equal(eye.iris_px, CENTRES[side])
        assert np.array_equal(level_with_limbus(np.full((100, 220), 0.4, np.float32), eye).iris_px, CENTRES[side])
        assert eye.radius_px == pytest.approx(RADIUS_PX, rel=0.02)


@dataclass
class Looking:
    """As much of a FaceScan as the gaze estimate reads: a camera straight in front, eyes turned by ``yaw_deg`` and ``pitch_deg``.

    ``scores`` are those of a look to the left, ``up`` those of a look upwards, minus for one downwards.
    """

    yaw_deg: float
    scores: float = 0.0
    pitch_deg: float = 0.0
    up: float = SCORE_AHEAD
    fx: float = 1220.0
    ruler: EyeRuler = field(default_factory=EyeRuler)

    @property
    def blendshapes(self) -> dict[str, float]:
        return {"eyeLookOutLeft": self.scores, "eyeLookInRight": self.scores, "eyeLookInLeft": 0.0, "eyeLookOutRight": 0.0,
                "eyeLookUpLeft": self.up, "eyeLookUpRight": self.up, "eyeLookDownLeft": 0.0, "eyeLookDownRight": 0.0}

    @property
    def eyes(self) -> dict[str, EyeContour]:
        px_per_m = RADIUS_PX / (0.5 * self.ruler.iris_diameter_m)
        aside = self.ruler.lever_yaw_m * np.sin(np.radians(self.yaw_deg)) * px_per_m
        above = self.ruler.lever_pitch_m * np.sin(np.radians(self.pitch_deg)) * px_per_m + 2.0 * IRIS_ABOVE_CORNERS * RADIUS_PX
        return {side: EyeContour(lid_contour(side), centre + [aside, -above], RADIUS_PX, 0.4) for side, centre in CENTRES.items()}

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        x, y = (pixels[..., 0] - 110.0) / self.fx, (pixels[..., 1] - 50.0) / self.fx
        return np.stack([x, y, np.ones_like(x)], -1)

    @property
    def portrait_rotation(self) -> np.ndarray:
        return np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])

    def to_portrait(self, points: np.ndarray) -> np.ndarray:
        return np.stack([points[..., 0], points[..., 2] - 0.6, -points[..., 1]], -1)


class Raised(Looking):
    """The same with the lens 12 degrees below the head's axis: irises, 5 mm before their corners, then seem to stand higher."""

    def to_portrait(self, points: np.ndarray) -> np.ndarray:
        tilt = np.radians(12.0)
        level = super().to_portrait(points)
        raised = np.stack([level[..., 0], level[..., 1] * np.cos(tilt) - level[..., 2] * np.sin(tilt),
                           level[..., 1] * np.sin(tilt) + level[..., 2] * np.cos(tilt)], -1)
        return raised

    @property
    def eyes(self) -> dict[str, EyeContour]:
        parallax = 0.005 * np.tan(np.radians(12.0)) * RADIUS_PX / (0.5 * self.ruler.iris_diameter_m)
        return {side: replace(eye, iris_px=eye.iris_px - [0.0, parallax]) for side, eye in super().eyes.items()}


def test_a_look_into_the_lens_is_taken_for_one():
    assert estimate_rest_gaze(Looking(0.0)) is None
    assert estimate_rest_gaze(Looking(3.0, scores=0.1)) is None


@pytest.mark.parametrize("yaw", [-20.0, -9.0, 9.0, 20.0])
def test_an_averted_gaze_is_noticed(yaw):
    found = estimate_rest_gaze(Looking(yaw, scores=yaw / 27.0))
    assert found is not None
    assert found[0] == pytest.approx(yaw, abs=1.0)


@pytest.mark.parametrize("pitch", [-18.0, -11.0, 11.0, 18.0])
def test_a_look_up_or_down_is_noticed(pitch):
    up = SCORE_AHEAD + pitch / DEGREES_UP_PER_SCORE
    yaw, found = estimate_rest_gaze(Looking(0.0, pitch_deg=pitch, up=up))
    assert found == pytest.approx(pitch, abs=1.0)
    assert yaw == pytest.approx(0.0, abs=0.2)
    yaw, found = estimate_rest_gaze(Looking(14.0, scores=14.0 / 27.0, pitch_deg=pitch, up=up))
    assert (yaw, found) == (pytest.approx(14.0, abs=1.0), pytest.approx(pitch, abs=1.0))


def test_one_signal_alone_moves_no_gaze_up_or_down():
    for pitch in (-15.0, 15.0):
        up = SCORE_AHEAD + pitch / DEGREES_UP_PER_SCORE
        assert estimate_rest_gaze(Looking(0.0, pitch_deg=pitch)) is None
        assert estimate_rest_gaze(Looking(0.0, up=up)) is None
        assert estimate_rest_gaze(Looking(0.0, pitch_deg=-pitch, up=up)) is None
        assert estimate_rest_gaze(Looking(0.0, pitch_deg=0.4 * pitch, up=up)) is None


def test_a_face_raised_to_the_lens_is_not_averted():
    """The eyes look down by as much as the lens lies below the head's axis."""
    scan = Raised(0.0, pitch_deg=-12.0, up=SCORE_AHEAD - 12.0 / DEGREES_UP_PER_SCORE)
    assert estimate_rest_gaze(scan) is None
    assert estimate_rest_gaze(Raised(0.0)) is not None      # along the head, so above the lens


def test_an_iris_that_looks_aside_is_as_large_as_one_that_looks_ahead():
    def squeezed(share: np.ndarray) -> np.ndarray:
        """Radius read on arcs of 40 degrees of an ellipse, narrower by ``share``."""
        arc = np.radians(np.arange(-40.0, 41.0))
        return float(np.mean(1.0 / np.hypot(np.cos(arc) / share, np.sin(arc))))

    for yaw in (-20.0, 12.0):
        scan = Looking(yaw)
        for eye in round_irises(scan, (yaw, 0.0)).values():
            # The eyes are seen a little from the side themselves.
            assert eye.radius_px * squeezed(np.cos(np.radians(yaw))) == pytest.approx(RADIUS_PX, rel=0.025)
    for eye in round_irises(Looking(0.0), (0.0, -15.0)).values():
        assert eye.radius_px == pytest.approx(RADIUS_PX, rel=0.005)


@pytest.mark.parametrize("radius_px", [5.0, 10.0])
def test_the_limbus_of_a_small_iris_is_not_read_small(radius_px):
    y, x = np.mgrid[:100, :220] + 0.5
    light = np.full(x.shape, 0.8)
    for centre in CENTRES.values():
        light[np.hypot(x - centre[0], y - centre[1]) < radius_px] = 0.3
    fine = [encoded(cv2.GaussianBlur(decoded(light), (0, 0), blur)) for blur in (0.8, 1.3)]
    start = {side: EyeContour(lid_contour(side), centre, radius_px, 0.4) for side, centre in CENTRES.items()}
    error = 0.05 if radius_px < 8.0 else 0.02
    for picture in fine:
        assert measure_limbus(picture, start)["left"].radius_px / RULER_SHARE == pytest.approx(radius_px, rel=error)


def test_eyes_of_a_turned_head_differ_in_depth_as_the_head_says():
    turn = np.radians(15.0)
    across = np.array([np.cos(turn), 0.0, -np.sin(turn)])
    true = {side: np.array([0.0, 0.0, 0.6]) + sign * 0.0315 * across for side, sign in (("left", 1.0), ("right", -1.0))}
    eyes = {side: EyeContour(lid_contour(side), 1000.0 * p[:2] / p[2] + 100.0, 1000.0 * 0.0059 / 0.6, 0.4) for side, p in true.items()}

    class Turned:
        fx = 1000.0
        ruler = EyeRuler()
        portrait_to_camera = np.column_stack([across, [0.0, 1.0, 0.0], np.cross(across, [0.0, 1.0, 0.0])])

        def rays(self, pixels):
            return np.append((pixels - 100.0) / 1000.0, 1.0)

    found = iris_points(Turned(), eyes)
    for side, point in true.items():
        assert found[side] == pytest.approx(point, abs=0.0003)
