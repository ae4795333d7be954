# SPDX-License-Identifier: GPL-3.0-or-later
"""The pose formulas: eyes land on their target, lids close, nothing else moves."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.gazesplat_addon.rig import lids, parts
from gazesplat.gazesplat_addon.rig.globe import dilate, gaze_rotation, globe_transform
from gazesplat.gazesplat_addon.rig.lid_points import SkinPoints
from gazesplat.gazesplat_addon.rig.pose import EyePose, Posable, Pose, pose_splats
from tests.synthetic import synthetic_portrait, with_lower_lashes


@pytest.fixture(scope="module")
def portrait():
    return synthetic_portrait()


def posed(portrait, **pose):
    splats, groups, rig = portrait
    return pose_splats(splats, groups, rig, Pose.both(**pose))


def test_rest_pose_changes_nothing(portrait):
    splats, _, _ = portrait
    rest = posed(portrait)
    assert np.abs(rest.means - splats.means).max() < 1e-6
    assert np.abs(rest.factors - splats.linear_factors()).max() < 1e-6
    assert np.abs(rest.colours - splats.colours).max() < 1e-6
    assert np.array_equal(rest.opacities, splats.opacities)


@pytest.mark.parametrize("yaw", [-35.0, -10.0, 0.0, 20.0, 35.0])
@pytest.mark.parametrize("pitch", [-30.0, 0.0, 25.0])
def test_gaze_turns_the_axis_by_the_commanded_angles(yaw, pitch):
    first, second = gaze_rotation(np.radians(yaw), np.radians(pitch))
    x, y, z = first @ second @ [0.0, 0.0, 1.0]
    assert np.degrees(np.arctan2(x, z)) == pytest.approx(yaw, abs=1e-9)
    assert np.degrees(np.arcsin(y)) == pytest.approx(pitch, abs=1e-9)


def test_oblique_gaze_has_no_roll_in_listings_sense():
    """Listing: every gaze is reached by one turn about an axis in the frontal plane."""
    first, second = gaze_rotation(np.radians(20.0), np.radians(20.0))
    r = first @ second
    axis = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    assert abs(axis[2]) < 1e-12
    fick = np.array([[0.0, 1.0, 0.0]]) @ (first @ np.array([[1, 0, 0], [0, np.cos(np.radians(20)), np.sin(np.radians(20))],
                                                            [0, -np.sin(np.radians(20)), np.cos(np.radians(20))]])).T
    assert np.degrees(np.arccos(np.clip(fick[0] @ (r @ [0.0, 1.0, 0.0]), -1, 1))) == pytest.approx(3.55, abs=0.1)


def test_yaw_moves_the_iris_by_its_lever(portrait):
    _, _, rig = portrait
    eye = rig.eyes["left"]
    moved = globe_transform(eye, np.radians(1.0), 0.0) @ np.append(eye.iris_centre_m, 1.0)
    assert (moved[0] - eye.iris_centre_m[0]) * 1000 == pytest.approx(0.19, abs=0.01)   # Fry & Hill: 0.19 mm per degree


@pytest.mark.parametrize("yaw,pitch", [(0, 0), (35, 0), (-35, 0), (0, 25), (0, -30), (30, 20), (-30, -25)])
def test_a_full_blink_closes_at_every_gaze(portrait, yaw, pitch):
    _, _, rig = portrait
    for eye in rig.eyes.values():
        x = np.linspace(eye.inner_x_m, eye.outer_x_m, 101, dtype=np.float32)
        m = lids.margins(eye, x, np.radians(yaw), np.radians(pitch), 1.0)
        assert (m.upper - m.lower).max() < 2e-5
        rest = lids.margins(eye, x, 0.0, 0.0, 0.0)
        assert (rest.upper - rest.lower).max() > 0.006


def test_upper_lid_follows_the_iris(portrait):
    _, _, rig = portrait
    eye = rig.eyes["left"]
    middle = np.array([0.5 * (eye.inner_x_m + eye.outer_x_m)], np.float32)
    down = lids.margins(eye, middle, 0.0, np.radians(-20.0), 0.0)
    travel = eye.lever_pitch_m * np.sin(np.radians(20.0))
    assert (down.upper_rest - down.upper)[0] == pytest.approx(eye.follow_upper_down * travel, rel=0.02)


@pytest.mark.parametrize("yaw", [-20.0, 20.0])
def test_both_lids_and_their_corners_go_along_sideways(portrait, yaw):
    _, _, rig = portrait
    for eye in rig.eyes.values():
        x = np.array([eye.inner_x_m, 0.5 * (eye.inner_x_m + eye.outer_x_m), eye.outer_x_m], np.float32)
        travel = eye.lever_yaw_m * np.sin(np.radians(yaw))
        inner, middle, outer = lids.MarginsOver(eye, x).aside(np.radians(yaw)) / travel
        assert middle == pytest.approx(eye.carry, rel=1e-3)
        assert 0.0 < inner < outer < middle
        for part, lift in ((parts.UPPER_LID, 0.001), (parts.LOWER_LID, -0.001)):
            margin = lids.margins(eye, x[1:2], 0.0, 0.0, 0.0)
            height = (margin.upper_rest if part == parts.UPPER_LID else margin.lower_rest) + lift
            q = np.stack([x[1:2], height, np.full(1, eye.lid_radius_m)], 1).astype(np.float32)
            aside, rise, _ = SkinPoints(eye, q, part).travel(np.radians(yaw), 0.0, 0.0)
            assert aside[0] / travel == pytest.approx(eye.carry, rel=1e-3)
            assert abs(rise[0]) < 1e-6


def test_margins_lie_where_their_skin_has_gone(portrait):
    """The globe is shaded by the margins over it, which come from beside it when the eye looks aside."""
    _, _, rig = portrait
    eye = rig.eyes["right"]
    x = np.linspace(eye.inner_x_m, eye.outer_x_m, 41)[4:-4]
    over, pose = lids.MarginsOver(eye, x), (np.radians(25.0), np.radians(-8.0), 0.3)
    there = lids.margins(eye, x + over.aside(pose[0]), *pose)
    for at_skin, at_place in zip(over.posed(*pose[1:]), (there.upper, there.lower), strict=True):
        assert np.abs(at_skin - at_place).max() < 2e-4


def test_the_outer_corner_follows_a_look_down_and_the_inner_one_stays(portrait):
    _, _, rig = portrait
    eye = rig.eyes["left"]
    corners = lids.margins(eye, np.array([eye.inner_x_m, eye.outer_x_m]), 0.0, np.radians(-30.0), 0.0)
    for now, rest in ((corners.upper, corners.upper_rest), (corners.lower, corners.lower_rest)):
        drop = (rest - now) * 1000.0
        assert drop[0] == pytest.approx(0.0, abs=1e-6)
        assert 1.0 < drop[1] < 2.3      # mm, Cruz and others 2008


def test_lower_lashes_go_the_whole_way_of_their_margin_and_stand_off_as_far_as_before(portrait):
    splats, groups, rig = portrait
    lashed, eye = with_lower_lashes(groups), rig.eyes["left"]
    rows = np.flatnonzero(lashed == parts.code("left", parts.LOWER_LASH))
    pose = Pose.both(pitch_deg=20.0, blink=0.6)
    frame = np.asarray(eye.frame)
    before = (splats.means[rows] - np.asarray(eye.centre_m)) @ frame
    after = (pose_splats(splats, lashed, rig, pose).means[rows] - np.asarray(eye.centre_m)) @ frame
    middle = np.abs(before[:, 0] - 0.5 * (eye.inner_x_m + eye.outer_x_m)) < 0.006
    m = lids.margins(eye, before[:, 0], 0.0, np.radians(20.0), 0.6)
    rise = m.lower - m.lower_rest
    assert len(rows) > 20 and rise[middle].min() > 0.0005
    assert np.abs(after[:, 1] - before[:, 1] - rise)[middle].max() < 1e-4
    off = [q[:, 2] - lids.lid_height(eye, q[:, 0], q[:, 1]) for q in (before, after)]
    assert np.abs(off[1] - off[0])[middle].max() < 1e-4


def test_lid_skin_beyond_its_reach_stays(portrait):
    splats, groups, rig = portrait
    blinked = posed(portrait, blink=1.0, yaw_deg=20.0, pitch_deg=-10.0)
    head = groups == parts.HEAD
    assert np.array_equal(blinked.means[head], splats.means[head].astype(np.float32))
    eye = rig.eyes["left"]
    q = np.array([[0.5 * (eye.inner_x_m + eye.outer_x_m), 0.02 + eye.upper_reach_m, 0.012]], np.float32)
    out_of_reach = np.sign(eye.outer_x_m) * lids.BESIDE_IRIS_RADII * eye.iris_radius_m
    beside = np.array([[eye.outer_x_m + out_of_reach, eye.corner_y_m, 0.005]], np.float32)
    assert np.abs(SkinPoints(eye, q, parts.UPPER_LID).travel(0.3, 0.2, 1.0)).max() < 1e-7
    assert np.abs(SkinPoints(eye, beside, parts.LOWER_LID).travel(0.3, 0.2, 0.0)).max() < 1e-6


def test_closed_lid_skin_stays_in_front_of_the_globe(portrait):
    splats, groups, rig = portrait
    blinked = posed(portrait, blink=1.0)
    for side, eye in rig.eyes.items():
        skin = parts.is_part(groups, side, (parts.UPPER_LID,))
        q = (blinked.means[skin] - np.asarray(eye.centre_m)) @ np.asarray(eye.frame)
        near = np.hypot(q[:, 0], q[:, 1]) < 0.8 * eye.globe_radius_m
        assert near.any()
        assert np.linalg.norm(q[near], axis=1).min() > np.hypot(eye.iris_radius_m, eye.lever_yaw_m)


def test_lids_stretch_their_splats_instead_of_opening_gaps(portrait):
    _, groups, _ = portrait
    skin = parts.is_part(groups, "left", (parts.UPPER_LID,))
    rest, blinked = posed(portrait), posed(portrait, blink=1.0)
    height = [np.linalg.norm(p.factors[skin][:, 2, :], axis=1) for p in (rest, blinked)]
    assert (height[1] / height[0]).max() > 1.5


def test_the_pupil_dilates_without_tearing_the_iris(portrait):
    _, _, rig = portrait
    eye = rig.eyes["right"]
    g = eye.gaze_frame()
    rho = np.linspace(0.0, eye.iris_radius_m, 60)
    ring = (np.asarray(eye.iris_centre_m) + rho[:, None] * g[:, 0]).astype(np.float32)
    for scale in (0.5, 1.0, 1.8):
        moved = (dilate(eye, ring, scale) - np.asarray(eye.iris_centre_m)) @ g[:, 0]
        assert (np.diff(moved) > 0).all()
        assert moved[-1] == pytest.approx(eye.iris_radius_m, rel=1e-4)
        expected = min(scale * eye.pupil_radius_m, 0.8 * eye.iris_radius_m)
        assert np.interp(eye.pupil_radius_m, rho, moved) == pytest.approx(expected, rel=0.05)


def test_the_highlight_stays_with_the_light(portrait):
    splats, groups, rig = portrait
    index = parts.is_part(groups, "left", (parts.HIGHLIGHT,))
    turned = posed(portrait, yaw_deg=15.0)
    eye = rig.eyes["left"]
    iris = (globe_transform(eye, np.radians(15.0), 0.0) @ np.append(eye.iris_centre_m, 1.0))[:3] - eye.iris_centre_m
    travel = (turned.means[index] - splats.means[index]).mean(0)
    assert 0.4 < travel[0] / iris[0] < 0.65


def test_lid_shadow_moves_with_the_lid(portrait):
    _, groups, rig = portrait
    shaded = {s: replace(e, shade=((0.0,) * 3,) * 5 + ((-0.8,) * 3, (0.0,) * 3)) for s, e in rig.eyes.items()}
    portrait = (portrait[0], groups, replace(rig, eyes=shaded))
    sclera = parts.is_part(groups, "left", (parts.SCLERA,))
    rest, half = posed(portrait).colours[sclera], posed(portrait, blink=0.5).colours[sclera]
    assert half.mean() < rest.mean() - 0.01


def test_the_crease_fades_as_the_lid_comes_down_and_only_then(portrait):
    splats, groups, _ = portrait
    shade = parts.is_part(groups, "left", (parts.UPPER_SHADE,))
    left = [posed(portrait, **pose).opacities[shade].max() / splats.opacities[shade].max()
            for pose in ({}, {"pitch_deg": 20.0}, {"blink": 0.3}, {"blink": 0.7}, {"blink": 1.0})]
    assert left[0] == left[1] == 1.0
    assert 1.0 > left[2] > left[3] > left[4]
    assert left[4] < 1e-3


def test_posing_again_is_the_same_as_posing_for_the_first_time():
    """What is kept between poses (blocks, the last pupil) must not colour the next one."""
    splats, groups, rig = synthetic_portrait(sh_degree=2)
    kept, seen_from = Posable(splats, groups, rig), np.array([0.05, -0.6, 0.1])
    poses = [Pose(), Pose.both(20.0, 10.0, 0.8, 1.6), Pose.both(-20.0, -9.0, 0.0, 1.6), Pose({"left": EyePose(blink=1.0)}), Pose()]
    for pose in poses:
        again, first = kept.splats(pose, seen_from), pose_splats(splats, groups, rig, pose, seen_from)
        for name in ("means", "factors", "opacities", "colours"):
            np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
            assert getattr(again, name).dtype == np.float32


def test_order_of_the_splats_in_the_file_does_not_matter():
    """Parts whose splats lie together are posed as slices, scattered ones by their indices."""
    splats, groups, rig = synthetic_portrait()
    shuffled = np.random.default_rng(2).permutation(len(splats))
    pose = Pose.both(14.0, -8.0, 0.6, 1.3)
    together, scattered = pose_splats(splats, groups, rig, pose), pose_splats(splats.select(shuffled), groups[shuffled], rig, pose)
    for name in ("means", "factors", "opacities", "colours"):
        np.testing.assert_allclose(getattr(scattered, name), getattr(together, name)[shuffled], atol=1e-7)
