# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth spacing: what overlaps is met in its order, with room to be met, however many splats there are."""
from __future__ import annotations

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon.nodes import depth_spacing
from gazesplat.gazesplat_addon.nodes.builder import Builder

STEP_M, REACH = 4e-7, 0.0015
DISC_STEP_M = 2.5e-7
AXIS = (0.21, 0.9, -0.35)


def spaced(scene: bpy.types.Scene, positions: np.ndarray, axis: tuple = AXIS, step_m: float = STEP_M) -> tuple[np.ndarray, np.ndarray]:
    """Return each point's exact depth along the axis and its shift, metres; the picture is seen along y."""
    mesh = bpy.data.meshes.new("Points")
    mesh.vertices.add(len(positions))
    mesh.vertices.foreach_set("co", positions.astype(np.float32).ravel())
    points = bpy.data.objects.new("Points", mesh)
    scene.collection.objects.link(points)
    tree = bpy.data.node_groups.new("Spaced", "GeometryNodeTree")
    b = Builder(tree)
    b.input("Geometry", "Geometry")
    b.output("Geometry", "Geometry")
    x, _, z = b.position().xyz()
    result = b.group(depth_spacing.depth_spacing_group(), {
        "Geometry": b.group_inputs()["Geometry"], "Axis": b.vector(*axis), "Step": step_m, "Screen": b.vector(x, z, 0.0),
        "Reach": REACH})
    b.finish({"Geometry": b.store(result["Geometry"], "shift", result["Shift"], "FLOAT")})
    points.modifiers.new("Spaced", "NODES").node_group = tree
    evaluated = points.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    kept, shift = np.empty(3 * len(positions), np.float32), np.empty(len(positions), np.float32)
    evaluated.vertices.foreach_get("co", kept)
    evaluated.attributes["shift"].data.foreach_get("value", shift)
    assert (kept.reshape(-1, 3) == positions.astype(np.float32)).all(), "points keep their order"
    return positions.astype(np.float32).astype(np.float64) @ np.float32(axis).astype(np.float64), shift.astype(np.float64)


def test_every_gap_is_a_step_and_the_order_is_exact(scene):
    """Also for neighbours whose depths float32 cannot tell apart, and for a wall of equal ones."""
    random = np.random.default_rng(4)
    # Points that differ along the axis by some 1e-9 m, and across it by centimetres.
    across = random.normal(size=(3000, 3)) * 0.05
    axis = np.array(AXIS)
    crowd = across - np.outer(across @ axis / (axis @ axis), axis) + np.outer(random.uniform(0.0, 6e-6, 3000), axis)
    wall = np.repeat([[0.01, 0.2, 0.03]], 500, axis=0)
    depth, shift = spaced(scene, np.concatenate([crowd, wall, random.normal(size=(2000, 3)) * 0.05]))
    order = np.argsort(depth, kind="stable")
    gaps = np.diff((depth + shift)[order])
    assert (np.diff(depth[order]) < 1e-9).mean() > 0.1, "float32 has no depths for these"
    assert gaps.min() > 0.9 * STEP_M
    assert shift.min() == 0.0 and (shift == 0.0).mean() > 0.2, "those with room stay"


def along_x(scene: bpy.types.Scene, depths: np.ndarray) -> np.ndarray:
    """Return how far points at the depths (N,) go back."""
    return spaced(scene, np.stack([depths, 0.0 * depths, 0.0 * depths], 1), (1.0, 0.0, 0.0), DISC_STEP_M)[1]


@pytest.mark.parametrize("irises", [1, 2])
def test_an_iris_that_faces_the_camera_stays_before_what_lies_behind_it(scene, irises):
    rng = np.random.default_rng(4)
    disc = 0.01 + 1e-6 * rng.random(9_000 * irises)            # 2 or 4 mm of steps in a micrometre
    behind = 0.0101 + 0.02 * rng.random(20_000)                # the sclera, partly within these millimetres
    depths = rng.permutation(np.concatenate([disc, behind])).astype(np.float32).astype(np.float64)
    shift = along_x(scene, depths)
    order = np.argsort(depths, kind="stable")
    moved = (depths + shift)[order]
    # The twin: the largest so far of depths less the steps before them.
    steps = DISC_STEP_M * np.arange(1, len(depths) + 1)
    assert np.allclose(moved, np.maximum.accumulate(depths[order] - steps) + steps, rtol=0.0, atol=4.0 * DISC_STEP_M)
    assert np.diff(moved).min() > 0.9 * DISC_STEP_M
    assert moved.max() > depths.max() - 1e-9


def test_splats_that_lie_far_enough_apart_stay(scene):
    depths = np.linspace(-0.1, 0.1, 5_000)
    assert np.abs(along_x(scene, depths)).max() < 0.2 * DISC_STEP_M


def test_a_crowd_keeps_its_room_where_it_overlaps(scene):
    """So many that there is no step for each: only what shares a part of the picture is spread."""
    count = depth_spacing.CROWD + 1000
    random = np.random.default_rng(5)
    positions = random.uniform(-0.1, 0.1, (count, 3)) * (1.0, 0.2, 1.0)
    depth, shift = spaced(scene, positions)
    assert shift.max() < 50 * STEP_M, "nothing moves far"
    cell = REACH * depth_spacing.CELL_REACHES / 3.0
    checked = 0
    for centre in random.uniform(-0.09, 0.09, (150, 2)):
        near = np.flatnonzero((np.abs(positions[:, [0, 2]] - centre) < 0.49 * cell).all(1))
        order = near[np.argsort(depth[near])]
        close = np.diff(depth[order]) < STEP_M
        gaps = np.diff((depth + shift)[order])
        checked += int(close.sum())
        assert gaps.min() > 0.2 * STEP_M
    assert checked > 3, "some were too close"
