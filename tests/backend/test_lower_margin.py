# SPDX-License-Identifier: GPL-3.0-or-later
"""The lower lid's edge in a close-up: tears stay with the lid, specks leave the globe, and the edge has thickness seen from above."""
from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gazesplat.backend.eyes.contour import EyeContour, LidContour
from gazesplat.backend.eyes.geometry import build_rigs, to_eye
from gazesplat.backend.eyes.margin import build_margin, without_specks
from gazesplat.backend.model.scan import EyeRuler, FaceScan
from gazesplat.gazesplat_addon.rig import lids, parts

R, WIDTH, SIZE = 20.0, 100.0, 260
CENTRE = np.array([130.0, 130.0])
SKIN, WHITE, IRIS = 0.5, 0.75, 0.15


def eye_at(x: float, outward: float) -> EyeContour:
    """An eye whose inner corner lies at x, the outer one ``outward`` (-1 or 1) of it."""
    shape = LidContour(np.array([x, CENTRE[1]]), np.array([outward, 0.0]), np.array([0.0, -1.0]), WIDTH,
                       np.array([1.0 * R, 0, 0, 0, 0]), np.array([-0.7 * R, 0, 0, 0, 0]))
    return EyeContour(shape, np.array([x + 0.5 * outward * WIDTH, CENTRE[1]]), R, 0.4)


def scan_of(light: np.ndarray) -> FaceScan:
    """A scan of a grey picture (H, W) with a left eye in its middle and a right one off it, half a metre away, level with the camera."""
    image = np.repeat(light[..., None], 3, -1).astype(np.float32)
    focal = 0.5 * 2.0 * R / 0.0118
    w2c = np.eye(4)
    w2c[:3, :3], w2c[2, 3] = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], 0.5
    depth = np.full(light.shape, 0.49, np.float32)
    landmarks = np.full((478, 3), [CENTRE[0], CENTRE[1] - 3.0 * R, 0.0])
    eyes = {"left": eye_at(CENTRE[0] - 0.5 * WIDTH, 1.0), "right": eye_at(CENTRE[0] - 1.2 * WIDTH, -1.0)}
    return FaceScan(image, landmarks, {}, focal, focal, *CENTRE, w2c, np.ones_like(depth), depth, depth, eyes, EyeRuler())


def picture() -> np.ndarray:
    """An eye in shades of grey (H, W): iris and sclera between two lids."""
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    eye = eye_at(CENTRE[0] - 0.5 * WIDTH, 1.0)
    local = eye.lids.to_local(np.stack([columns, rows], -1))
    light = np.full((SIZE, SIZE), SKIN)
    inside = (local[..., 1] < eye.lids.upper_at(local[..., 0])) & (local[..., 1] > eye.lids.lower_at(local[..., 0]))
    light[inside] = WHITE
    light[inside & (np.hypot(columns - CENTRE[0], rows - CENTRE[1]) < R)] = IRIS
    return gaussian_filter(light, 0.7)


def wet(light: np.ndarray, share: float, above: float) -> np.ndarray:
    """Return the picture with a speck of light at ``share`` of the opening, ``above`` iris radii above the lower margin."""
    shape = eye_at(CENTRE[0] - 0.5 * WIDTH, 1.0).lids
    x = share * WIDTH
    at = shape.to_image(np.array([[x, shape.lower_at(np.array([x]))[0] + above * R]]))[0]
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.where(np.hypot(columns - at[0], (rows - at[1])) < 1.6, 1.0, light)


def built(light: np.ndarray) -> tuple[FaceScan, lids.EyeRig, list]:
    scan = scan_of(light)
    rig = build_rigs(scan, scan.eyes)["left"]
    return scan, rig, build_margin(scan, scan.eyes["left"], rig, "left")


@pytest.mark.parametrize("share", [0.12, 0.8])
def test_a_speck_beside_the_lower_lid_leaves_the_white_and_the_rest_stays(share: float) -> None:
    before = picture()
    specked = wet(before, share, 0.22)
    scan = scan_of(specked)
    clean = without_specks(scan.image, scan.eyes["left"])[..., 0]
    there = specked > before + 0.1
    assert specked[there].mean() > 0.95 and clean[there].mean() < WHITE + 0.08
    far = np.hypot(*(np.mgrid[:SIZE, :SIZE] - np.argwhere(there).mean(0)[:, None, None])) > 8.0
    assert np.abs(clean - specked)[far].max() < 0.01
    assert np.array_equal(without_specks(scan_of(before).image, scan.eyes["left"])[..., 0], before.astype(np.float32))


def test_a_reflection_on_the_iris_is_no_tear() -> None:
    light = picture()
    light[int(CENTRE[1]) - 4: int(CENTRE[1]), int(CENTRE[0]): int(CENTRE[0]) + 4] = 1.0
    scan = scan_of(light)
    assert np.array_equal(without_specks(scan.image, scan.eyes["left"]), scan.image)


def test_tears_come_back_on_the_lid_where_the_photo_has_them() -> None:
    assert len(built(picture())[2]) == 1, "a dry eye has no tears, only the lid's edge"
    scan, rig, layers = built(wet(wet(picture(), 0.8, 0.1), 0.3, -0.05))
    edge, tears = layers
    assert set(np.unique(tears.groups)) == {parts.code("left", parts.LOWER_LID)}
    at = scan.eyes["left"].lids.to_local(scan.project(tears.splats.means))
    share = at[tears.splats.opacities > 0.1, 0] / WIDTH
    assert (np.minimum(np.abs(share - 0.8), np.abs(share - 0.3)) < 0.06).all()
    assert (np.abs(share - 0.8) < 0.06).any() and (np.abs(share - 0.3) < 0.06).any()


def test_the_edge_spans_from_the_lid_to_the_globe_behind_the_lids_skin() -> None:
    scan, rig, (edge,) = built(picture())
    q = to_eye(rig, edge.splats.means)
    distance = np.linalg.norm(q, axis=1)
    limbus = np.hypot(rig.iris_radius_m, rig.lever_yaw_m)
    assert distance.min() > limbus, "an iris that looks down turns without touching it"
    middle = np.abs(q[:, 0]) < rig.iris_radius_m
    assert distance[middle].max() < rig.lid_radius_m
    assert np.ptp(distance[middle]) > 0.0004, "it has thickness"
    # From the photo's camera it is seen edge-on, below the margin.
    local = scan.eyes["left"].lids.to_local(scan.project(edge.splats.means))
    below = scan.eyes["left"].lids.lower_at(local[:, 0]) - local[:, 1]
    assert (below > 0.0).all() and np.ptp(below) < 0.1 * R


def test_a_photo_without_sclera_is_left_alone() -> None:
    dark = np.full((SIZE, SIZE), 0.1)
    scan = scan_of(dark)
    assert np.array_equal(without_specks(scan.image, scan.eyes["left"]), scan.image)
