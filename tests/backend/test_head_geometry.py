# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a head where arithmetic knows the answer: solvers, depth, surfaces, contour, far side, lens and scale."""
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model.camera import Intrinsics, face_similarity, head_angles_deg, head_rotation, personal_ruler, portrait_to_camera
from gazesplat.backend.model.contour_band import contour_band
from gazesplat.backend.model.depth import head_depth
from gazesplat.backend.model.face_model import face_model
from gazesplat.backend.model.far_side import FarSide, far_side
from gazesplat.backend.model.focal import focal_px
from gazesplat.backend.model.lift import lift_head
from gazesplat.backend.model.perspective import estimate_equivalent_mm
from gazesplat.backend.model.poisson import raster_mesh, solve_poisson
from gazesplat.backend.model.scan import EyeRuler, FaceScan
from gazesplat.backend.model.surface import OVERLAP, DepthSurface
from gazesplat.backend.render import Camera, RenderSettings, render
from gazesplat.gazesplat_addon.splat.arrays import Splats, rotation_matrices

SIDE_PX, FOCAL_PX, DISTANCE_M = 320, 560.0, 0.62


def canonical_landmarks(yaw_deg: float = 0.0, distance_m: float = DISTANCE_M, focal: float = FOCAL_PX, side: int = SIDE_PX
                        ) -> tuple[np.ndarray, np.ndarray]:
    """The canonical face as landmarks (478, 3) in pixels and in metres before a camera; irises lie between the eye corners."""
    shape = face_model().vertices / 100.0 * [1.0, -1.0, -1.0]
    irises = np.repeat([shape[[33, 133]].mean(axis=0), shape[[263, 362]].mean(axis=0)], 5, axis=0)
    a = np.radians(yaw_deg)
    turn = np.array([[np.cos(a), 0.0, -np.sin(a)], [0.0, 1.0, 0.0], [np.sin(a), 0.0, np.cos(a)]])
    metres = np.vstack([shape, irises]) @ turn.T + [0.0, 0.01, distance_m]
    pixels = metres[:, :2] / metres[:, 2:] * focal + side / 2
    relative = (metres[:, 2:] - distance_m) * focal / distance_m
    return np.hstack([pixels, relative]), metres


def egg_mask() -> np.ndarray:
    """A head-shaped mask: an ellipse round the canonical face, and a neck that is cut off below."""
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.ellipse(mask, (160, 148), (82, 116), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.rectangle(mask, (112, 230), (208, 310), 255, -1)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255.0, (0, 0), 0.8)


def made_up_scan(image: np.ndarray | None = None) -> FaceScan:
    pixels, metres = canonical_landmarks()
    mask = egg_mask()
    depth = head_depth(mask, pixels, metres, FOCAL_PX)
    camera = Intrinsics(FOCAL_PX, SIDE_PX / 2, SIDE_PX / 2)
    irises = metres[[468, 473]]
    placement = portrait_to_camera(head_rotation(metres), irises, np.tile([0.0, 0.0, -1.0], (2, 1)), 0.0108)
    picture = np.full((SIDE_PX, SIDE_PX, 3), 0.5, np.float32) if image is None else image
    return FaceScan(picture, pixels, {}, camera.focal, camera.focal, camera.cx, camera.cy, placement, mask, depth.front_m, depth.back_m, {},
                    EyeRuler())


def test_poisson_over_a_disc_gives_a_sphere() -> None:
    y, x = np.mgrid[:121, :121] - 60.0
    radius = 50.0
    inside = x ** 2 + y ** 2 < radius ** 2
    nothing = np.zeros(inside.shape, bool)
    height = 2.0 * np.sqrt(solve_poisson(inside, 1.0, nothing, np.zeros(inside.shape), nothing))
    sphere = np.sqrt(np.maximum(radius ** 2 - x ** 2 - y ** 2, 0.0))
    middle = x ** 2 + y ** 2 < 40.0 ** 2
    assert np.abs(height - sphere)[middle].max() < 1.0


def test_poisson_keeps_given_values_and_lets_nothing_through_free_edges() -> None:
    inside = np.zeros((5, 30), bool)
    inside[1:4, 1:29] = True
    fixed = np.zeros(inside.shape, bool)
    fixed[1:4, 1] = True
    values = np.where(fixed, 3.0, 0.0)
    held = solve_poisson(inside, 0.0, fixed, values, ~inside)
    assert np.allclose(held[inside], 3.0)
    open_end = solve_poisson(inside, 0.0, fixed, values, ~inside & (np.mgrid[:5, :30][1] < 29))
    assert np.allclose(open_end[2, 1:29], 3.0 * (29.0 - np.arange(1, 29)) / 28.0)


def test_mesh_is_rasterised_at_pixel_centres_nearest_first() -> None:
    corners = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    triangles = np.array([[0, 1, 2], [1, 3, 2]])
    depth = raster_mesh(corners, corners[:, 0] + 2.0 * corners[:, 1], triangles, (12, 12))
    y, x = np.mgrid[:12, :12] + 0.5
    covered = (x < 10) & (y < 10)
    assert np.array_equal(np.isfinite(depth), covered)
    assert np.allclose(depth[covered], (x + 2.0 * y)[covered])
    layers = np.repeat([5.0, 3.0], 4)
    twice = raster_mesh(np.vstack([corners, corners]), layers, np.vstack([triangles, triangles + 4]), (12, 12))
    assert np.nanmax(twice) == 3.0


def test_similarity_finds_scale_turn_and_place() -> None:
    for yaw in (-30.0, 0.0, 20.0):
        _, metres = canonical_landmarks(yaw)
        scale, rotation, shift = face_similarity(metres)
        assert scale == pytest.approx(0.01, rel=1e-6)
        assert np.allclose(scale * face_model().vertices @ rotation.T + shift, metres[:468], atol=1e-9)
        found, pitch, roll = head_angles_deg(head_rotation(metres))
        assert (found, pitch, roll) == pytest.approx((yaw, 0.0, 0.0), abs=1e-6)


def test_depth_is_the_mesh_in_the_face_and_a_closed_head_round_it() -> None:
    pixels, metres = canonical_landmarks()
    mask = egg_mask()
    depth = head_depth(mask, pixels, metres, FOCAL_PX)
    shown = mask > 0.5
    assert np.isnan(depth.front_m[mask < 0.02]).all() and np.isfinite(depth.front_m[shown]).all() and np.isfinite(depth.back_m[shown]).all()
    assert (depth.front_m[shown] <= depth.back_m[shown] + 1e-6).all()
    x, y = pixels[[4, 168, 50, 280], :2].astype(int).T
    assert np.abs(depth.front_m[y, x] - metres[[4, 168, 50, 280], 2]).max() < 0.004
    length = depth.back_m[120, 160] - depth.front_m[120, 160]
    assert 0.16 < length < 0.24                                     # a head is about 19 cm long
    chin, throat = depth.front_m[int(pixels[152, 1]) - 4, 160], depth.front_m[300, 160]
    assert 0.03 < throat - chin < 0.08                              # the neck stands behind the chin


def test_depth_network_replaces_proportions_where_it_agrees() -> None:
    pixels, metres = canonical_landmarks()
    mask = egg_mask()
    plain = head_depth(mask, pixels, metres, FOCAL_PX).front_m
    truth = plain + 0.02 * np.clip((95.0 - np.mgrid[:SIDE_PX, :SIDE_PX][0]) / 40.0, 0.0, 1.0)      # hair that lies flatter than usual
    nearness = 37.0 / np.nan_to_num(truth, nan=1.0) - 11.0
    guided = head_depth(mask, pixels, metres, FOCAL_PX, nearness).front_m
    hair = (mask > 0.95) & (np.mgrid[:SIDE_PX, :SIDE_PX][0] < 75) & (np.mgrid[:SIDE_PX, :SIDE_PX][0] > 45)
    assert np.abs(guided - truth)[hair].mean() < 0.4 * np.abs(plain - truth)[hair].mean()
    with pytest.raises(GazeSplatError) as caught:
        head_depth(mask, pixels, metres, FOCAL_PX, np.random.default_rng(1).random(mask.shape))
    assert caught.value.code == "depth-disagrees"


def test_surfels_lie_on_the_surface_and_share_slopes_by_arc_length() -> None:
    scan = made_up_scan()
    slope = 3.0
    column = np.broadcast_to(np.arange(SIDE_PX) + 0.5, (SIDE_PX, SIDE_PX))
    depth = 0.6 / (1.0 - slope * (column - SIDE_PX / 2) / FOCAL_PX)              # the plane z = 0.6 + slope * x
    surface = DepthSurface(scan, depth.astype(np.float32))
    where = np.zeros((SIDE_PX, SIDE_PX), bool)
    where[140:180, 150:190] = True
    samples = surface.sample(where, 2.0)
    splats = surface.splats(samples, np.full((len(samples.pixels), 3), 0.5), np.full(len(samples.pixels), 0.9))
    x, _, z = scan.to_camera(splats.means.astype(float)).T
    assert np.abs(z - 0.6 - slope * x).max() < 2e-4
    normals = rotation_matrices(splats.rotations)[:, :, 2] @ scan.portrait_to_camera[:3, :3].T
    expected = np.array([slope, 0.0, -1.0]) / np.hypot(slope, 1.0)
    assert np.abs(np.abs(normals @ expected) - 1.0).max() < 1e-3
    flat = DepthSurface(scan, np.full(depth.shape, 0.6, np.float32)).sample(where, 2.0)
    assert len(samples.pixels) == 2 * len(flat.pixels)
    assert splats.scales.max() < 2.5 * splats.scales[:, 1].mean()


def test_overlap_is_what_a_grid_of_gaussians_adds_up_to() -> None:
    scan = made_up_scan()
    surface = DepthSurface(scan, np.full((SIDE_PX, SIDE_PX), 0.6, np.float32))
    where = np.ones((SIDE_PX, SIDE_PX), bool)
    samples = surface.sample(where, 4.0)
    sigma = 0.60 * 4.0
    away = np.linalg.norm(samples.pixels - [160.0, 160.0], axis=1)
    assert np.exp(-0.5 * (away / sigma) ** 2).sum() == pytest.approx(OVERLAP, rel=0.02)


def test_contour_strip_joins_near_and_far_side() -> None:
    scan = made_up_scan()
    grey = np.full((SIDE_PX, SIDE_PX, 3), 0.5, np.float32)
    band = contour_band(scan, scan.depth_m, grey, FarSide(grey, np.zeros((SIDE_PX, SIDE_PX), bool)))
    pixels = scan.project(band.means.astype(float))
    edge = cv2.distanceTransform((scan.head_mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    column, row = pixels.astype(int).T
    assert (edge[row, column] < 6.0).all() and (edge[row, column] > 0.0).all()
    beside = (np.abs(pixels[:, 1] - 150.0) < 6) & (pixels[:, 0] < 100)
    z = scan.to_camera(band.means[beside].astype(float))[:, 2]
    near, far = scan.depth_m[150, 80], scan.back_depth_m[150, 80]
    assert z.min() < near + 0.02 and z.max() > far - 0.02 and np.diff(np.sort(z)).max() < 0.02


def test_head_has_no_holes_from_the_sides() -> None:
    """The made-up head's silhouette, drawn from 0 to 90 degrees, is opaque everywhere inside."""
    scan = made_up_scan()
    head = lift_head(scan, scan.depth_m, np.zeros((SIDE_PX, SIDE_PX), bool), 60_000)
    for yaw_deg in (0.0, 30.0, 60.0, 90.0):
        a = np.radians(yaw_deg)
        swing = np.eye(4)
        swing[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
        camera = Camera(SIDE_PX, SIDE_PX, scan.fx, scan.fy, scan.cx, scan.cy, scan.portrait_to_camera @ swing)
        alpha = render(_posed(head.splats), camera, RenderSettings()).alpha
        outline, _ = cv2.findContours((alpha > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        solid = cv2.drawContours(np.zeros(alpha.shape, np.uint8), outline, -1, 1, cv2.FILLED)
        inside = cv2.erode(solid, np.ones((7, 7), np.uint8)) > 0
        inside[280:] = False                                        # the cut through the neck is open
        assert inside.sum() > 15_000 and (alpha[inside] < 0.9).mean() < 0.002, yaw_deg


def _posed(splats: Splats) -> SimpleNamespace:
    return SimpleNamespace(means=splats.means, factors=splats.linear_factors(), opacities=splats.opacities, colours=splats.colours,
                           groups=np.zeros(len(splats), np.uint8))


def test_far_side_is_hair_above_and_neck_below() -> None:
    hair, skin, wall = (0.15, 0.1, 0.05), (0.8, 0.6, 0.5), (0.2, 0.4, 0.9)
    image = np.full((SIDE_PX, SIDE_PX, 3), wall, np.float32)
    image[egg_mask() > 0.4] = hair
    pixels, _ = canonical_landmarks()
    cv2.fillPoly(image, [np.round(cv2.convexHull(pixels[:468, :2].astype(np.float32)) * 1.0).astype(np.int32)], skin)
    image[262:, 95:225] = skin
    found = far_side(made_up_scan(image), image)
    assert found.hair[50, 160] and not found.hair[150, 160] and not found.hair[300, 160]
    assert np.allclose(found.colours[100, 160], np.array(hair) * 0.88, atol=0.05)
    assert np.allclose(found.colours[305, 160], np.array(skin) * 0.88, atol=0.06)
    assert np.abs(found.colours[egg_mask() > 0.9] - np.array(wall) * 0.88).max(axis=1).min() > 0.2      # the wall is nowhere on the head


def test_lens_is_estimated_from_perspective() -> None:
    found = []
    for equivalent_mm, distance_m in ((24.0, 0.35), (50.0, 0.8), (85.0, 1.4)):
        pixels, _ = canonical_landmarks(8.0, distance_m, focal_px(equivalent_mm, 1000, 1000), 1000)
        # Nobody has the canonical face: landmarks that differ from it by 1.5 % of the face's size are usual.
        pixels[:, :2] += np.random.default_rng(0).normal(0.0, 0.01 * np.ptp(pixels[:468, 1]), (478, 2))
        found.append(estimate_equivalent_mm(pixels, 1000, 1000))
    assert found == sorted(found) and found[-1] > 1.3 * found[0]
    assert found[:2] == pytest.approx([24.0, 50.0], rel=0.45)


def test_scale_joins_irises_and_their_distance() -> None:
    usual = EyeRuler()
    radius_px, focal = 20.0, 1000.0
    distance = focal * 0.5 * usual.iris_diameter_m / radius_px
    apart_px = 0.063 * distance / (distance + usual.lever_yaw_m) / (usual.iris_diameter_m / (2 * radius_px))
    assert personal_ruler(usual, radius_px, apart_px, focal).iris_diameter_m == pytest.approx(usual.iris_diameter_m, rel=1e-6)
    close_set = personal_ruler(usual, radius_px, 0.9 * apart_px, focal).iris_diameter_m
    assert usual.iris_diameter_m < close_set < usual.iris_diameter_m / 0.9
    few_pixels = personal_ruler(replace(usual), 4.0, 0.9 * apart_px * 4.0 / radius_px, focal).iris_diameter_m
    assert few_pixels > close_set                                   # a small iris is trusted less
    assert personal_ruler(usual, radius_px, 0.3 * apart_px, focal).iris_diameter_m == 0.0130
