# SPDX-License-Identifier: GPL-3.0-or-later
"""Redrawing a window gives the picture that drawing everything gives, for less work."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.bench.head_scene import head_camera, synthetic_head
from gazesplat.backend.render import RenderSettings, numba_tiles, render, windows
from gazesplat.gazesplat_addon.rig.pose import PosedSplats

HEAD = synthetic_head(6000, seed=8)
CAMERA = head_camera(160, 140)
MATTES = {"irises": (11, 21)}


def glance(posed: PosedSplats) -> PosedSplats:
    eyes = np.isin(posed.groups, MATTES["irises"])
    return replace(posed, means=np.where(eyes[:, None], posed.means + np.float32([0.003, 0.0, 0.001]), posed.means))


@pytest.mark.parametrize("camera", [CAMERA, CAMERA.cropped(20, 30, 90, 60),
                                    replace(CAMERA, orthographic=True, fx=CAMERA.fx / 0.6, fy=CAMERA.fy / 0.6)],
                         ids=["whole", "crop", "orthographic"])
@pytest.mark.parametrize("settings", [RenderSettings(), RenderSettings(supersample=2, background=(0.1, 0.3, 0.2))], ids=["plain", "fine"])
def test_redrawn_window_is_the_whole_picture(camera, settings):
    after = glance(HEAD)
    frame = render(HEAD, camera, settings, depth=True, mattes=MATTES)
    kept = frame.rgb.copy()
    again = windows.redraw(frame, HEAD, after, camera, settings, mattes=MATTES)
    whole = render(after, camera, settings, depth=True, mattes=MATTES)
    np.testing.assert_allclose(again.rgba(), whole.rgba(), atol=2e-4)
    np.testing.assert_allclose(again.mattes["irises"], whole.mattes["irises"], atol=2e-4)
    np.testing.assert_allclose(again.depth, whole.depth, rtol=1e-3)
    assert np.abs(again.rgb - frame.rgb).max() > 0.05
    np.testing.assert_array_equal(frame.rgb, kept)


def test_a_glance_costs_a_fraction():
    head, whole, settings = synthetic_head(60_000), head_camera(256, 256), RenderSettings()
    after = glance(head)
    left, top, right, bottom = windows.window_of(after, windows.changed_splats(head, after), whole, settings)
    work = []
    for camera in (whole, whole.cropped(left, top, right - left, bottom - top)):
        strips = np.zeros(1, np.int64)
        numba_tiles.render(after, camera, settings, threads=1, strips_blended=strips)
        work.append(strips[0])
    assert work[1] < 0.25 * work[0]


def test_nothing_changed_or_nothing_visible():
    frame = render(HEAD, CAMERA)
    assert windows.redraw(frame, HEAD, HEAD, CAMERA, RenderSettings()) is frame
    behind = replace(HEAD, means=HEAD.means - np.float32([0.0, 9.0, 0.0]))
    empty = render(behind, CAMERA)
    assert windows.redraw(empty, behind, glance(behind), CAMERA, RenderSettings()) is empty
    with pytest.raises(ValueError, match="not the same"):
        windows.changed_splats(HEAD, synthetic_head(10))


def test_broken_values_do_not_break_the_window():
    after = glance(HEAD)
    after.means[0] = np.nan
    frame = windows.redraw(render(HEAD, CAMERA), HEAD, after, CAMERA, RenderSettings())
    np.testing.assert_allclose(frame.rgb, render(after, CAMERA).rgb, atol=2e-4)
