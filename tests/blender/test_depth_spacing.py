# SPDX-License-Identifier: GPL-3.0-or-later
"""Cycles passes over splats at equal distances, and shows what is out of order: the node group keeps all of them apart, in order."""
from __future__ import annotations

import bpy
import numpy as np
import pytest

from gazesplat.gazesplat_addon.nodes import depth_spacing
from gazesplat.gazesplat_addon.nodes.builder import Builder

STEP_M = 2.5e-7
SHIFT = "test_shift"


def spaced(depths: np.ndarray) -> np.ndarray:
    """Return how far the group moves each of the depths (N,) back."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mesh = bpy.data.meshes.new("Depths")
    mesh.vertices.add(len(depths))
    mesh.vertices.foreach_set("co", np.stack([depths, 0.0 * depths, 0.0 * depths], 1).astype(np.float32).ravel())
    carrier = bpy.data.objects.new("Depths", mesh)
    bpy.context.scene.collection.objects.link(carrier)
    tree = bpy.data.node_groups.new("Spaced", "GeometryNodeTree")
    b = Builder(tree)
    b.input("Geometry", "Geometry")
    b.output("Geometry", "Geometry")
    x, _, _ = b.position().xyz()
    out = b.group(depth_spacing.depth_spacing_group(), {"Geometry": b.group_inputs()["Geometry"], "Depth": x, "Step": STEP_M})
    b.finish({"Geometry": b.store(out["Geometry"], SHIFT, out["Shift"], "FLOAT")})
    carrier.modifiers.new("Spaced", "NODES").node_group = tree
    result = carrier.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    shift = np.empty(len(depths), np.float32)
    result.attributes[SHIFT].data.foreach_get("value", shift)
    return shift.astype(np.float64)


@pytest.mark.parametrize("irises", [1, 2])
def test_an_iris_that_faces_the_camera_stays_before_what_lies_behind_it(irises):
    rng = np.random.default_rng(4)
    disc = 0.01 + 1e-6 * rng.random(9_000 * irises)            # 2 or 4 mm of steps in a micrometre
    behind = 0.0101 + 0.02 * rng.random(20_000)                # the sclera, partly within these millimetres
    depths = rng.permutation(np.concatenate([disc, behind])).astype(np.float32).astype(np.float64)
    shift = spaced(depths)
    order = np.argsort(depths, kind="stable")
    moved = (depths + shift)[order]
    # The twin: the largest so far of depths less the steps before them.
    steps = STEP_M * np.arange(1, len(depths) + 1)
    assert np.allclose(moved, np.maximum.accumulate(depths[order] - steps) + steps, rtol=0.0, atol=4.0 * STEP_M)
    assert np.diff(moved).min() > 0.9 * STEP_M
    assert moved.max() > depths.max() - 1e-9


def test_splats_that_lie_far_enough_apart_stay():
    depths = np.linspace(-0.1, 0.1, 5_000)
    assert np.abs(spaced(depths)).max() < 0.2 * STEP_M
