# SPDX-License-Identifier: GPL-3.0-or-later
"""What carriers in a scene say: where splats stand, which they are, and, evaluated, how their eyes are posed.

The render engine and the viewport's live display both read portraits here.
"""
from __future__ import annotations

import logging
from collections.abc import Iterator

import bpy
import numpy as np

from ...backend.contract.errors import GazeSplatError
from .. import compat
from ..nodes import attributes
from ..nodes.library import VERSION_KEY
from ..nodes.portrait import pose_input
from . import store

log = logging.getLogger(__name__)

_POSE = {"Yaw": 0.0, "Pitch": 0.0, "Blink": 0.0, "Pupil": 1.0}
# Below this a matrix squeezes a metre to nothing: the object is not to be seen.
_LEAST_DETERMINANT = 1e-18


def seen_carriers(depsgraph: bpy.types.Depsgraph) -> Iterator[tuple[bpy.types.Object, np.ndarray]]:
    """Yield every evaluated carrier that the depsgraph shows, instances included, and its object -> world (4, 4)."""
    for instance in depsgraph.object_instances:
        carrier = instance.object
        if carrier.original.get(store.PART_KEY) != store.SPLATS or not instance.show_self:
            continue
        to_world = np.array(instance.matrix_world, np.float64)
        if not has_inverse(to_world):
            log.warning("%s is not drawn: its matrix has no inverse.", carrier.name)
            continue
        yield carrier, to_world


def has_inverse(to_world: np.ndarray) -> bool:
    """Return whether an object's matrix (4, 4) leaves it a size."""
    return bool(np.isfinite(to_world).all() and abs(np.linalg.det(to_world[:3, :3])) >= _LEAST_DETERMINANT)


def read_carrier(mesh: bpy.types.Mesh, *, blends_light: bool = False) -> dict[str, np.ndarray]:
    """Return a carrier's splats by the names of ``splat.arrays.Splats``, and its groups (N,) uint8.

    With ``blends_light`` colours and opacities are those refitted for blending linear light, where there are any. Raises
    GazeSplatError ``splats-damaged`` when an attribute is missing.
    """
    refitted = blends_light and attributes.LINEAR in mesh.attributes
    base = _read(mesh, attributes.LINEAR if refitted else attributes.BASE, "color", 4)
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


def display_modifier(carrier: bpy.types.Object) -> bpy.types.NodesModifier | None:
    """Return the evaluated modifier whose inputs hold what the drivers say."""
    return next((m for m in carrier.modifiers if m.type == "NODES" and m.node_group is not None and VERSION_KEY in m.node_group), None)


def eye_poses(modifier: bpy.types.NodesModifier | None, sides: tuple[str, ...]) -> dict[str, list[float]]:
    """Return [yaw_deg, pitch_deg, blink, pupil] of each eye; at rest without the modifier."""
    if modifier is None:
        return {side: list(_POSE.values()) for side in sides}
    return {side: [float(compat.get_modifier_input(modifier, pose_input(name, side))) for name in _POSE] for side in sides}


def raster_settings(modifier: bpy.types.NodesModifier | None) -> dict[str, float]:
    """Return the fields of ``RenderSettings`` that the modifier holds, within what the rasteriser takes."""
    if modifier is None:
        return {}
    # Rounded, because Blender keeps single precision: 0.99 is meant, not 0.9900000095.
    cap = round(float(compat.get_modifier_input(modifier, "Alpha Cap")), 6)
    low_pass = round(float(compat.get_modifier_input(modifier, "Low Pass")), 6)
    return {"alpha_cap": min(max(cap, 1.0 / 255.0), 0.9999), "low_pass_px2": max(low_pass, 1e-4)}
