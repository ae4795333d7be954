# SPDX-License-Identifier: GPL-3.0-or-later
"""The live display's shaders against the numpy twin and the readable reference, drawn without a window."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from gazesplat.backend.render import reference
from gazesplat.backend.render.interface import Camera, RenderSettings
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from gazesplat.gazesplat_addon.splat.arrays import Splats
from tests.offscreen import pixels, start_gpu, view_of
from tests.synthetic import synthetic_portrait, with_lower_lashes

SIZE = 144
SETTINGS = RenderSettings(transmittance_stop=0.0)
EYES = {"left": (12.0, -6.0, 0.5, 1.3), "right": (-9.0, 7.0, 0.9, 0.7)}
AWAKE = {side: (0.0, 0.0, 0.0, 1.0) for side in EYES}
# Moved and unevenly scaled, as an object may be.
WORLD = np.array([[1.0, 0.0, 0.0, 0.01], [0.0, 1.1, 0.0, 0.02], [0.0, 0.0, 0.95, -0.01], [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Posed:
    """What the reference draws."""

    means: np.ndarray
    factors: np.ndarray
    opacities: np.ndarray
    colours: np.ndarray
    groups: np.ndarray


@pytest.fixture(scope="module")
def painter_room():
    """The modules under test, with a graphics context."""
    start_gpu()
    from gazesplat.gazesplat_addon.viewport import painter

    return painter


def camera(**changes) -> Camera:
    """Return a camera that sees the face from its left, a little above."""
    turn, tip = np.radians(20.0), np.radians(-8.0)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(tip), -np.sin(tip)], [0.0, np.sin(tip), np.cos(tip)]])
    w2c = np.eye(4)
    w2c[:3, :3] = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]) @ about_x @ about_z
    w2c[2, 3] = 0.6
    return replace(Camera(SIZE, SIZE, 2.0 * SIZE, 2.0 * SIZE, SIZE / 2, SIZE / 2, w2c), **changes)


def arrays_of(splats: Splats, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Return splats as a carrier gives them."""
    arrays = {name: getattr(splats, name) for name in ("means", "scales", "rotations", "opacities", "colours")}
    return {**arrays, "groups": groups, **({"sh_rest": splats.sh_rest} if splats.sh_degree else {})}


def twin(splats, groups, rig, eyes, world, seen_by: Camera) -> Posed:
    """Return what the numpy twin poses, in the world."""
    eye = seen_by.position if not seen_by.orthographic else seen_by.position - 1e6 * seen_by.w2c[2, :3]
    local = (np.linalg.inv(world) @ np.append(eye, 1.0))[:3]
    posed = pose_splats(splats, groups, rig, Pose({side: EyePose(*values) for side, values in eyes.items()}), local)
    return Posed(posed.means @ world[:3, :3].T + world[:3, 3], world[:3, :3] @ posed.factors, posed.opacities, posed.colours, groups)


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    return float(-10.0 * np.log10(np.mean((one[..., :3].astype(float) - other[..., :3]) ** 2)))


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_posed_splats_are_the_twins(painter_room, degree):
    splats, groups, rig = synthetic_portrait(head_count=200, sh_degree=degree)
    groups = with_lower_lashes(groups)
    seen_by, painter = camera(), painter_room.Painter()
    held = painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes)
    painter.paint(view_of(seen_by), [painter_room.Shown(held, WORLD, EYES, {})], wait=True)
    placed, axes, painted = (pixels(one)[::-1].reshape(-1, 4)[:len(splats)] for one in painter.projected)

    posed = twin(splats, groups, rig, EYES, WORLD, seen_by)
    expected = reference.project(posed.means, posed.factors, posed.opacities, seen_by, SETTINGS)
    drawn = expected.drawn
    np.testing.assert_array_equal(painted[:, 3] > 0.0, drawn)
    centres = (placed[:, :2] * (1.0, -1.0) + 1.0) * SIZE / 2
    np.testing.assert_allclose(centres[drawn], expected.centres_px[drawn], atol=1e-3)
    np.testing.assert_allclose(placed[drawn, 2], expected.depths_m[drawn], atol=1e-6)
    np.testing.assert_allclose(placed[drawn, 3], expected.opacities[drawn], atol=1e-5)
    one, two = (axes[drawn, k:k + 2] * (1.0, -1.0) for k in (0, 2))
    conics = np.linalg.inv(one[:, :, None] * one[:, None] + two[:, :, None] * two[:, None])
    np.testing.assert_allclose(conics, expected.conics[drawn], atol=2e-4)
    # Harmonics are kept as half floats.
    np.testing.assert_allclose(painted[drawn, :3], posed.colours[drawn], atol=3e-4 if degree else 2e-6)


@pytest.mark.parametrize("degree", [0, 3])
@pytest.mark.parametrize("lens", [{}, {"cx": SIZE * 0.4, "cy": SIZE * 0.6, "fx": 2.3 * SIZE},
                                  {"orthographic": True, "fx": 500.0, "fy": 500.0}], ids=["front", "shifted", "parallel"])
def test_picture_is_the_reference_of_the_twin(painter_room, degree, lens):
    splats, groups, rig = synthetic_portrait(head_count=500, sh_degree=degree)
    seen_by, painter = camera(**lens), painter_room.Painter()
    held = painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes)
    painter.paint(view_of(seen_by), [painter_room.Shown(held, WORLD, EYES, {})], wait=True)
    expected = reference.render(twin(splats, groups, rig, EYES, WORLD, seen_by), seen_by, SETTINGS, depth=True)
    picture, solid = pixels(painter.blended), expected.alpha > 0.5
    assert expected.alpha.mean() > 0.1
    assert psnr_db(picture, expected.rgb) > 80.0
    np.testing.assert_allclose(picture[..., 3], expected.alpha, atol=2e-3)
    depth = pixels(painter.depth, 1)[..., 0]
    np.testing.assert_allclose(depth[solid] / picture[..., 3][solid], expected.depth[solid], atol=1e-3)


def test_parallel_view_from_the_midst_of_a_head_shows_all_of_it(painter_room):
    """As Blender's own parallel views stand: half of what they show lies behind the viewer."""
    splats, groups, rig = synthetic_portrait(head_count=500)
    inside, outside = (camera(orthographic=True, fx=500.0, fy=500.0) for _ in range(2))
    inside.w2c[2, 3], outside.w2c[2, 3] = 0.0, 5.0
    painter, held = painter_room.Painter(), painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes)
    view, shown = view_of(inside), [painter_room.Shown(held, WORLD, EYES, {})]
    painter.paint(painter_room.before_all(view, shown), shown, wait=True)
    expected = reference.render(twin(splats, groups, rig, EYES, WORLD, outside), outside, SETTINGS, depth=True)
    assert psnr_db(pixels(painter.blended), expected.rgb) > 80.0
    # What is moved back keeps its depth in the viewport's buffer.
    moved = painter_room.before_all(view, shown)
    point = np.array([0.03, -0.02, 0.04, 1.0])
    np.testing.assert_allclose(moved.projection @ moved.from_world @ point, view.projection @ view.from_world @ point, atol=1e-6)
    assert painter_room.before_all(view_of(outside), shown).from_world[2, 3] == view_of(outside).from_world[2, 3]


def test_portraits_that_overlap_are_sorted_together(painter_room):
    seen_by, painter = camera(), painter_room.Painter()
    shown, every = [], []
    for seed, shift in ((0, 0.0), (7, 0.05)):
        splats, groups, rig = synthetic_portrait(seed, head_count=1500)
        world = WORLD + shift * np.outer([1.0, 0.5, 0.3, 0.0], [0.0, 0.0, 0.0, 1.0])
        shown.append(painter_room.Shown(painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes), world, EYES, {}))
        every.append(twin(splats, groups, rig, EYES, world, seen_by))
    painter.paint(view_of(seen_by), shown, wait=True)
    both = Posed(*(np.concatenate([getattr(one, name) for one in every]) for name in Posed.__dataclass_fields__))
    assert psnr_db(pixels(painter.blended), reference.render(both, seen_by, SETTINGS).rgb) > 80.0


@pytest.mark.parametrize("part", ["all", "head", "eyes"])
def test_order_on_the_card_is_a_stable_sort(painter_room, part):
    splats, groups, rig = synthetic_portrait(head_count=3000)
    kept = {"all": groups >= 0, "head": groups == 0, "eyes": groups > 0}[part]
    arrays = {name: values[kept] for name, values in arrays_of(splats, groups).items()}
    view, painter, held = view_of(camera()), painter_room.Painter(), painter_room.HeldSplats(arrays, rig.eyes)
    turned = {side: (-25.0, 10.0, 1.0, 0.6) for side in EYES}
    for eyes in (AWAKE, EYES, turned):       # the second and the third are merged with what did not move
        painter.paint(view, [painter_room.Shown(held, WORLD, eyes, {})], wait=True)
        pose = Pose({side: EyePose(*values) for side, values in eyes.items()})
        means, to_view = pose_splats(splats, groups, rig, pose).means[kept], view.from_world @ WORLD
        depths = means.astype(np.float64) @ -to_view[2, :3] - to_view[2, 3]
        cells = pixels(painter.order, 1)[::-1].reshape(-1)[:held.count]
        np.testing.assert_array_equal(cells, np.argsort(depths.view(np.uint64) >> np.uint64(23), kind="stable")[::-1])


def test_gaze_change_sends_no_splat(painter_room):
    from gazesplat.gazesplat_addon.viewport.traffic import traffic

    splats, groups, rig = synthetic_portrait(head_count=20_000, sh_degree=3)
    painter, view = painter_room.Painter(), view_of(camera())
    before = traffic.copy()
    held = painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes)
    painter.paint(view, [painter_room.Shown(held, WORLD, AWAKE, {})], wait=True)
    first = traffic.since(before)
    assert first.texture_bytes > len(splats) * 4 * 59    # as much as the file's own floats
    before = traffic.copy()
    painter.paint(view, [painter_room.Shown(held, WORLD, EYES, {})], wait=True)
    gaze = traffic.since(before)
    assert gaze.draw_calls == 3                                    # a new order, pose and project, blend
    assert gaze.uniform_bytes < 2048
    eyes = np.count_nonzero(groups)
    assert eyes * 8 <= gaze.texture_bytes <= (eyes + 1024) * 8     # where the eyes' splats stand in the order, and nothing else
    before = traffic.copy()
    painter.paint(view, [painter_room.Shown(held, WORLD, EYES, {})], wait=True)
    still = traffic.since(before)
    assert still.texture_bytes == 0 and still.draw_calls == 2


@pytest.mark.parametrize("turned", [(2.0, 0.0, 0.0, 0.0), (-1.4, 1.4, 0.04, 0.0), (0.0, -2.0, -0.04, 0.2)],
                         ids=["sideways", "oblique", "down"])
def test_order_of_barely_turned_eyes_draws_the_same_picture(painter_room, turned):
    from gazesplat.gazesplat_addon.viewport.traffic import traffic

    splats, groups, rig = synthetic_portrait(head_count=500)
    seen_by, painter = camera(fx=6.0 * SIZE, fy=6.0 * SIZE), painter_room.Painter()     # the eyes fill the picture
    held = painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes)
    painter.paint(view_of(seen_by), [painter_room.Shown(held, WORLD, EYES, {})], wait=True)
    eyes = {side: tuple(np.add(pose, turned)) for side, pose in EYES.items()}
    before = traffic.copy()
    painter.paint(view_of(seen_by), [painter_room.Shown(held, WORLD, eyes, {})])
    assert traffic.since(before).texture_bytes == 0 and painter.sorter.busy
    expected = reference.render(twin(splats, groups, rig, eyes, WORLD, seen_by), seen_by, SETTINGS).rgb
    picture = pixels(painter.blended)
    assert psnr_db(picture, expected) > 55.0
    assert np.mean(np.abs(picture[..., :3] - expected).max(2) > 2 / 255) < 0.005


def test_view_goes_on_while_the_order_is_made(painter_room):
    splats, groups, rig = synthetic_portrait(head_count=3000)
    painter = painter_room.Painter()
    shown = [painter_room.Shown(painter_room.HeldSplats(arrays_of(splats, groups), rig.eyes), WORLD, EYES, {})]
    painter.paint(view_of(camera()), shown)
    behind = camera(w2c=np.diag([-1.0, 1.0, -1.0, 1.0]) @ camera().w2c + np.diag([0.0, 0.0, 1.2, 0.0])[:, [0, 1, 3, 2]])
    painter.paint(view_of(behind), shown)
    stale = pixels(painter.blended)
    assert painter.sorter.busy
    while painter.sorter.busy:
        painter.paint(view_of(behind), shown)
    expected = reference.render(twin(splats, groups, rig, EYES, WORLD, behind), behind, SETTINGS).rgb
    assert psnr_db(pixels(painter.blended), expected) > 80.0 > 40.0 > psnr_db(stale, expected)
