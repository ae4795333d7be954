# SPDX-License-Identifier: GPL-3.0-or-later
"""The portraits that a render sees: which splats, where they stand, how their eyes are posed.

Splats and eye rig come from the carrier's mesh, so that what the file shows is what is drawn, wherever it is opened.
"""
from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.contract.errors import GazeSplatError
from .. import compat
from ..nodes import attributes
from ..nodes.library import VERSION_KEY
from ..nodes.portrait import pose_input
from ..rig.sidecar import to_json
from ..scene import store
from ..scene.kept_rig import rig_of
from .worker_client import HeldSplats

log = logging.getLogger(__name__)

_POSE = {"Yaw": 0.0, "Pitch": 0.0, "Blink": 0.0, "Pupil": 1.0}
# Below this a matrix squeezes a metre to nothing: the object is not to be seen.
_LEAST_DETERMINANT = 1e-18


@dataclass(frozen=True)
class SeenPortrait:
    """One portrait in one frame: its splats, object -> world (4, 4), pose of each eye, and its rasteriser settings."""

    splats: HeldSplats
    to_world: np.ndarray
    eyes: dict[str, list[float]]
    settings: dict[str, float]

    def as_request(self) -> dict:
        """Return the fields of a ``draw`` message."""
        return {"digest": self.splats.digest, "matrix": self.to_world.ravel().tolist(), "eyes": self.eyes}


def seen_portraits(depsgraph: bpy.types.Depsgraph) -> list[SeenPortrait]:
    """Return all portraits and plain splats that the depsgraph shows, instances included.

    Raises GazeSplatError for splats or files that are damaged.
    """
    seen, held = [], {}
    for instance in depsgraph.object_instances:
        carrier = instance.object
        if carrier.original.get(store.PART_KEY) != store.SPLATS or not instance.show_self:
            continue
        to_world = np.array(instance.matrix_world, np.float64)
        if not np.isfinite(to_world).all() or abs(np.linalg.det(to_world[:3, :3])) < _LEAST_DETERMINANT:
            log.warning("%s is not drawn: its matrix has no inverse.", carrier.name)
            continue
        name = carrier.original.name_full
        if name not in held:
            held[name] = _hold(carrier.original)
        if held[name] is None:
            continue
        splats, sides = held[name]
        modifier = _display_modifier(carrier)
        seen.append(SeenPortrait(splats, to_world, _eye_poses(modifier, sides), _settings(modifier)))
    return seen


def _hold(carrier: bpy.types.Object) -> tuple[HeldSplats, tuple[str, ...]] | None:
    """Return a carrier's splats and the sides that have an eye; None when it has no splats."""
    mesh = carrier.data
    if not len(mesh.vertices):
        return None
    rig = rig_of(carrier)
    arrays = read_carrier(mesh)
    rig_json = json.loads(json.dumps(to_json(rig))) if rig is not None else None
    digest = hashlib.blake2b(json.dumps(rig_json, sort_keys=True).encode(), digest_size=16)
    for name, array in arrays.items():
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array)
    return HeldSplats(digest.hexdigest(), arrays, rig_json), tuple(rig.eyes if rig is not None else ())


def read_carrier(mesh: bpy.types.Mesh) -> dict[str, np.ndarray]:
    """Return a carrier's splats by the names of ``splat.arrays.Splats``, and its groups (N,) uint8.

    Raises GazeSplatError ``splats-damaged`` when an attribute is missing.
    """
    base = _read(mesh, attributes.BASE, "color", 4)
    arrays = {"means": _read(mesh, "position", "vector", 3), "scales": _read(mesh, attributes.SCALE, "vector", 3),
              "rotations": _read(mesh, attributes.ROTATION, "value", 4),
              "opacities": np.ascontiguousarray(base[:, 3]), "colours": np.ascontiguousarray(base[:, :3])}
    harmonics = [name for name in map(attributes.HARMONIC.format, range(15)) if name in mesh.attributes]
    if harmonics:
        arrays["sh_rest"] = np.stack([_read(mesh, name, "vector", 3) for name in harmonics], axis=1)
    arrays["groups"] = np.zeros(len(base), np.uint8)
    if attributes.GROUP in mesh.attributes:
        groups = np.empty(len(base), np.int32)
        mesh.attributes[attributes.GROUP].data.foreach_get("value", groups)
        arrays["groups"] = groups.astype(np.uint8)
    return arrays


def _read(mesh: bpy.types.Mesh, name: str, field: str, width: int) -> np.ndarray:
    attribute = mesh.attributes.get(name)
    if attribute is None or len(attribute.data) != len(mesh.vertices):
        raise GazeSplatError("splats-damaged", f"The splats of {mesh.name} have lost their attribute {name}.",
                             "Undo, or reload the portrait.")
    values = np.empty(len(mesh.vertices) * width, np.float32)
    attribute.data.foreach_get(field, values)
    return values.reshape(-1, width)


def _display_modifier(carrier: bpy.types.Object) -> bpy.types.NodesModifier | None:
    """Return the evaluated modifier whose inputs hold what the drivers say."""
    return next((m for m in carrier.modifiers if m.type == "NODES" and m.node_group is not None and VERSION_KEY in m.node_group), None)


def _eye_poses(modifier: bpy.types.NodesModifier | None, sides: tuple[str, ...]) -> dict[str, list[float]]:
    """Return [yaw_deg, pitch_deg, blink, pupil] of each eye; at rest without the modifier."""
    if modifier is None:
        return {side: list(_POSE.values()) for side in sides}
    return {side: [float(compat.get_modifier_input(modifier, pose_input(name, side))) for name in _POSE] for side in sides}


def _settings(modifier: bpy.types.NodesModifier | None) -> dict[str, float]:
    """Return the fields of ``RenderSettings`` that the modifier holds, within what the rasteriser takes."""
    if modifier is None:
        return {}
    # Rounded, because Blender keeps single precision: 0.99 is meant, not 0.9900000095.
    cap = round(float(compat.get_modifier_input(modifier, "Alpha Cap")), 6)
    low_pass = round(float(compat.get_modifier_input(modifier, "Low Pass")), 6)
    return {"alpha_cap": min(max(cap, 1.0 / 255.0), 0.9999), "low_pass_px2": max(low_pass, 1e-4)}
