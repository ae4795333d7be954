# SPDX-License-Identifier: GPL-3.0-or-later
"""The live display's drawing order: right, stable, for posed splats, and never of other splats."""
from __future__ import annotations

import numpy as np

from gazesplat.gazesplat_addon.rig.pose import EyePose, PosableMeans, Pose, pose_splats
from gazesplat.gazesplat_addon.viewport.order import Order, Placed, Sortable, Sorter
from tests.synthetic import synthetic_portrait

EYES = {"left": (14.0, -8.0, 0.9, 1.3), "right": (-9.0, 7.0, 0.4, 0.7)}
AT_REST = {side: (0.0, 0.0, 0.0, 1.0) for side in EYES}
TO_VIEW = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, -0.6], [0.0, 0.0, 0.0, 1.0]])


def sortable(means, groups, rigs) -> Sortable:
    moves = groups > 0
    return Sortable(means, np.flatnonzero(moves), np.flatnonzero(~moves), PosableMeans(means[moves], groups[moves], rigs))


def merged(order: Order) -> np.ndarray:
    """Put both parts of an order together, as the card does."""
    cells = np.zeros(order.count, np.float32)
    places = order.moving[:, 0].astype(int)
    cells[places] = order.moving[:, 1]
    others = np.ones(order.count, bool)
    others[places] = False
    cells[others] = order.still.cells
    return cells


def expected(means: np.ndarray) -> np.ndarray:
    """Farthest first; of equal depths the later one first."""
    depths = means.astype(np.float64) @ -TO_VIEW[2, :3] - TO_VIEW[2, 3]
    return np.argsort(depths.view(np.uint64) >> np.uint64(23), kind="stable")[::-1]      # 29 bits behind the point


def test_posed_means_are_those_of_the_posed_splats():
    splats, groups, rig = synthetic_portrait(head_count=50)
    pose = Pose({side: EyePose(*values) for side, values in EYES.items()})
    np.testing.assert_array_equal(PosableMeans(splats.means, groups, rig.eyes).posed(pose), pose_splats(splats, groups, rig, pose).means)


def test_order_is_a_stable_sort_of_the_posed_splats():
    splats, groups, rig = synthetic_portrait(head_count=4000)
    one, sorter = sortable(splats.means, groups, rig.eyes), Sorter()
    for name, eyes in (("rest", AT_REST), ("posed", EYES)):   # the second reuses what does not move
        order = sorter.order("view", name, "splats", [Placed(one, 0, eyes, TO_VIEW)], wait=True)
        pose = Pose({side: EyePose(*values) for side, values in eyes.items()})
        np.testing.assert_array_equal(merged(order), expected(PosableMeans(splats.means, groups, rig.eyes).posed(pose)))


def test_films_that_nearly_touch_keep_their_places():
    """In single precision half of these would change places."""
    rng = np.random.default_rng(2)
    means = np.zeros((400, 3), np.float32)
    means[:, 0] = np.float32(0.01) * rng.permutation(400)
    means[:, 1] = 0.08
    tilted = TO_VIEW.copy()
    tilted[2, 0] = 2e-7                    # neighbours are 2 nm apart
    cells = merged(Sorter().order("view", "pose", "splats", [Placed(sortable(means, np.zeros(400, np.uint8), {}), 0, {}, tilted)]))
    assert (np.diff(means[cells.astype(int), 0]) > 0.0).all()


def test_two_portraits_share_one_order():
    rng = np.random.default_rng(0)
    means = [rng.normal(0.0, 0.05, (count, 3)).astype(np.float32) for count in (500, 300)]
    placed = [Placed(sortable(m, np.zeros(len(m), np.uint8), {}), first, {}, TO_VIEW) for m, first in zip(means, (0, 1024), strict=True)]
    cells = merged(Sorter().order("view", "pose", "both", placed))
    names = np.concatenate([np.arange(500), 1024 + np.arange(300)])
    np.testing.assert_array_equal(cells, names[expected(np.concatenate(means))])


def test_old_order_serves_until_the_new_one_is_made_but_never_for_other_splats():
    splats, groups, rig = synthetic_portrait(head_count=2000)
    placed, sorter = [Placed(sortable(splats.means, groups, rig.eyes), 0, EYES, TO_VIEW)], Sorter()
    first = sorter.order("view", "pose", "splats", placed)
    assert sorter.order("other view", "pose", "splats", placed) is first and sorter.busy
    while (newer := sorter.order("other view", "pose", "splats", placed)) is first:
        pass
    assert newer.key[0] == "other view" and not sorter.busy
    assert sorter.order("other view", "pose", "other splats", placed).key[2] == "other splats"


def test_barely_moved_eyes_keep_their_order_until_they_rest():
    splats, groups, rig = synthetic_portrait(head_count=2000)
    one, sorter = sortable(splats.means, groups, rig.eyes), Sorter()

    def asked(yaw: float):
        eyes = {side: (yaw, 0.0, 0.0, 1.0) for side in EYES}
        return sorter.order("view", yaw, "splats", [Placed(one, 0, eyes, TO_VIEW)])

    first = asked(0.0)
    assert asked(0.9) is first and asked(1.8) is first
    assert sorter.busy                                       # the viewport comes back to ask again
    assert asked(1.8) is first                               # the eyes rest: sorted beside the drawing
    while (rested := asked(1.8)) is first:
        pass
    assert rested.key == ("view", 1.8, "splats") and not sorter.busy
    asked(4.0)                                               # too far: sorted at once
    while asked(4.0) is rested:
        pass
    assert asked(4.0).key[1] == 4.0
    changed = {side: (4.0, 0.0, 0.3, 1.0) for side in EYES}
    assert not Placed(one, 0, changed, TO_VIEW).barely_moved({side: (4.0, 0.0, 0.0, 1.0) for side in EYES})
