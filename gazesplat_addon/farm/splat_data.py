# SPDX-License-Identifier: GPL-3.0-or-later
"""What the farm doctor looks at in the splats: floaters, sizes of zero, values that are no numbers.

Real-time engines, Blender 5.3's native display among them, quantise a splat object over the range of its own values: one splat a
kilometre off, or of no size, costs every other its precision. Mending hides such splats where they do no harm and keeps
their number and order, which the eye rig relies on.
"""
from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..nodes import attributes
from ..scene import store
from ..scene.carriers import read_carrier
from .finding import FarmFinding

# Ours. A head with hair and shoulders lies within three of its own median radii; a room seen from inside within ten.
FLOATER_RADII = 25.0
NO_SIZE_M = 1e-9
# Of a hidden splat: small, and far from nothing.
_HIDDEN_SIZE_M = 1e-4


@dataclass(frozen=True)
class Faults:
    """Masks (N,) of the splats of a carrier that are not sound."""

    broken: np.ndarray
    sizeless: np.ndarray
    floating: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """Any of them."""
        return self.broken | self.sizeless | self.floating


def findings(roots: list[bpy.types.Object]) -> list[FarmFinding]:
    """Return what the splats of portraits say, three findings a carrier."""
    return [finding for root in roots for finding in _findings_of(root)]


def faults_of(mesh: bpy.types.Mesh) -> Faults:
    """Return which splats of a carrier are broken (not numbers), of no size, or far from all others."""
    splats = read_carrier(mesh)
    means, scales = splats["means"].astype(np.float64), splats["scales"].astype(np.float64)
    broken = ~(np.isfinite(means).all(1) & np.isfinite(scales).all(1) & np.isfinite(splats["colours"]).all(1)
               & np.isfinite(splats["opacities"]) & np.isfinite(splats["rotations"]).all(1))
    sizeless = ~broken & (scales.max(1) <= NO_SIZE_M)
    sound = ~broken
    if not sound.any():
        return Faults(broken, sizeless, np.zeros_like(broken))
    centre = np.median(means[sound], axis=0)
    distance = np.where(sound, np.linalg.norm(np.where(sound[:, None], means, centre) - centre, axis=1), 0.0)
    reach = FLOATER_RADII * max(float(np.median(distance[sound])), NO_SIZE_M)
    return Faults(broken, sizeless, sound & (distance > reach))


def _findings_of(root: bpy.types.Object) -> list[FarmFinding]:
    mesh = store.splats_of(root)
    if mesh is None:
        return [FarmFinding("splats", False, f"{root.name} has lost its splats.", "Undo, or load the portrait again.")]
    faults, count = faults_of(mesh), len(mesh.vertices)
    mend = (lambda: _hide(root, mesh)) if mesh.library is None else None
    found = []
    if store.part_of(root, store.SPLATS).hide_render:
        found.append(FarmFinding("hidden", None, f"{root.name} is hidden in renders."))
    for code, mask, what in (("splats-broken", faults.broken, "have values that are no numbers"),
                             ("zero-scales", faults.sizeless, "have no size"),
                             ("floaters", faults.floating, f"lie more than {FLOATER_RADII:g} times the usual distance from the middle")):
        bad = int(mask.sum())
        if bad:
            found.append(FarmFinding(code, False, f"{bad} of {count} splats of {root.name} {what}.",
                                     "Hide them." if mend is not None else "Hide them in the library's own file.", mend))
        else:
            found.append(FarmFinding(code, True, f"None of the {count} splats of {root.name} {what}."))
    return found


def _hide(root: bpy.types.Object, mesh: bpy.types.Mesh) -> list[str]:
    """Make unsound splats small and invisible, in the middle of the others."""
    bad = faults_of(mesh).all
    splats = read_carrier(mesh)
    sound = ~bad
    centre = np.median(splats["means"][sound], axis=0) if sound.any() else np.zeros(3, np.float32)
    splats["means"][bad], splats["scales"][bad], splats["rotations"][bad] = centre, _HIDDEN_SIZE_M, (1.0, 0.0, 0.0, 0.0)
    for name, values, fields in (("position", splats["means"], "vector"), (attributes.SCALE, splats["scales"], "vector"),
                                 (attributes.ROTATION, splats["rotations"], "value")):
        mesh.attributes[name].data.foreach_set(fields, np.ascontiguousarray(values, np.float32).ravel())
    for name in (attributes.BASE, attributes.LINEAR):
        if name in mesh.attributes:
            base = np.empty(len(bad) * 4, np.float32)
            mesh.attributes[name].data.foreach_get("color", base)
            base = base.reshape(-1, 4)
            base[bad] = 0.0
            mesh.attributes[name].data.foreach_set("color", base.ravel())
    for index in range(splats["sh_rest"].shape[1] if "sh_rest" in splats else 0):
        values = np.where(bad[:, None], np.float32(0.0), splats["sh_rest"][:, index])
        mesh.attributes[attributes.HARMONIC.format(index)].data.foreach_set("vector", values.ravel())
    mesh.update()
    return [f"{root.name}: {int(bad.sum())} splats hidden"]
