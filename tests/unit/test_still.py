# SPDX-License-Identifier: GPL-3.0-or-later
"""A frozen pose is the pose: written, read back and drawn by the readable rasteriser, it is the same picture."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.render import reference
from gazesplat.backend.render.interface import Camera, RenderSettings
from gazesplat.gazesplat_addon.rig.pose import EyePose, Pose, PosedSplats, pose_splats
from gazesplat.gazesplat_addon.rig.still import frozen
from gazesplat.gazesplat_addon.splat import harmonics
from gazesplat.gazesplat_addon.splat.arrays import Splats, rotation_matrices
from gazesplat.gazesplat_addon.splat.files import read_splats, write_splats
from tests.synthetic import synthetic_portrait

POSE = Pose({"left": EyePose(18.0, -12.0, 0.4, 1.4), "right": EyePose(14.0, -12.0, 0.9, 1.4)})
TURN = rotation_matrices(np.array([[0.9, 0.1, -0.2, 0.3]]))[0]
PLACES = {"unmoved": np.eye(3), "turned": TURN, "half size": 0.5 * TURN, "mirrored": np.diag([-1.0, 1.0, 1.0]) @ TURN,
          "unevenly scaled": TURN @ np.diag([1.3, 0.8, 1.0])}
SHIFT = np.array([0.02, 0.05, -0.01])


def matrix(linear: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = linear, SHIFT
    return out


def view(linear: np.ndarray) -> Camera:
    """A camera half a metre before a face of usual size, wherever that is now, and no symmetry that makes depths equal."""
    target = linear @ [0.004, -0.06, -0.012] + SHIFT
    back = linear @ [0.31, -0.94, 0.13]
    back /= np.linalg.norm(back)
    right = np.cross((0.03, 0.05, 1.0), back)
    right /= np.linalg.norm(right)
    w2c = np.eye(4)
    w2c[:3, :3] = np.stack([right, -np.cross(back, right), -back])
    w2c[:3, 3] = -w2c[:3, :3] @ (target + 0.5 * np.cbrt(abs(np.linalg.det(linear))) * back)
    return Camera(128, 128, 330.0, 330.0, 64.0, 64.0, w2c)


def draw(means, factors, opacities, colours, camera) -> np.ndarray:
    posed = PosedSplats(means, factors, opacities, colours, np.zeros(len(means), np.uint8))
    return reference.render(posed, camera, RenderSettings(transmittance_stop=0.0)).rgb


def drawn_from_file(splats: Splats, camera: Camera) -> np.ndarray:
    colours = harmonics.colours(splats, splats.means, camera.position)
    return draw(splats.means, splats.linear_factors(), splats.opacities, colours, camera)


def expected(portrait, linear: np.ndarray, camera: Camera) -> np.ndarray:
    splats, groups, rig = portrait
    posed = pose_splats(splats, groups, rig, POSE, np.linalg.inv(linear) @ (camera.position - SHIFT))
    return draw(posed.means @ linear.T + SHIFT, linear @ posed.factors, posed.opacities, posed.colours, camera)


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10.0 * np.log10(max(np.mean((a - b) ** 2), 1e-20)))


@pytest.fixture(scope="module", params=[0, 3], ids=["flat colours", "harmonics"])
def portrait(request):
    return synthetic_portrait(head_count=700, sh_degree=request.param)


@pytest.mark.parametrize("place", PLACES)
def test_what_is_read_back_is_what_was_posed(portrait, place, tmp_path, record_property):
    linear = PLACES[place]
    camera = view(linear)
    splats, groups, rig = portrait
    still = frozen(splats, groups, rig, POSE, matrix(linear))
    picture = expected(portrait, linear, camera)
    assert (picture.max(2) > 0.2).mean() > 0.3, "the head is in the picture"
    decibels = {}
    for suffix in (".ply", ".spz"):
        write_splats(tmp_path / f"still{suffix}", still, ["a comment"])
        decibels[suffix] = psnr_db(drawn_from_file(read_splats(tmp_path / f"still{suffix}"), camera), picture)
        record_property(f"{place}{suffix}", decibels[suffix])
    print(f"\n{place}: {decibels}")
    # An uneven scale bends harmonics out of every degree that a file has.
    assert decibels[".ply"] > (45.0 if splats.sh_degree and place == "unevenly scaled" else 60.0)
    assert decibels[".spz"] > 38.0   # the format's own steps


def test_order_and_number_stay(portrait):
    splats, groups, rig = portrait
    still = frozen(splats, groups, rig, Pose.both(blink=1.0), np.eye(4))
    assert len(still) == len(splats)
    head = groups == 0
    np.testing.assert_allclose(still.means[head], splats.means[head], atol=1e-6)
    np.testing.assert_allclose(still.colours[head], splats.colours[head], atol=1e-6)


def test_rest_in_place_is_the_portrait_itself(portrait):
    splats, groups, rig = portrait
    still = frozen(splats, groups, rig, Pose(), np.eye(4))
    covariances = [s.linear_factors() @ s.linear_factors().transpose(0, 2, 1) for s in (still, splats)]
    np.testing.assert_allclose(covariances[0], covariances[1], atol=1e-10)
    np.testing.assert_allclose(still.sh_rest, splats.sh_rest, atol=1e-5)


def test_a_matrix_without_inverse_is_refused(portrait):
    splats, groups, rig = portrait
    if splats.sh_degree:
        with pytest.raises(np.linalg.LinAlgError):
            frozen(splats, groups, rig, Pose(), np.diag([1.0, 1.0, 0.0, 1.0]))
