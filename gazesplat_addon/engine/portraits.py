# SPDX-License-Identifier: GPL-3.0-or-later
"""The portraits that a render sees: which splats, where they stand, how their eyes are posed.

Splats and eye rig come from the carrier's mesh, so that what the file shows is what is drawn, wherever it is opened.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import bpy
import numpy as np

from ..rig.sidecar import to_json
from ..scene import carriers
from ..scene.kept_rig import rig_of
from .worker_client import HeldSplats


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


def seen_portraits(depsgraph: bpy.types.Depsgraph, held: dict | None = None) -> list[SeenPortrait]:
    """Return all portraits and plain splats that the depsgraph shows, instances included.

    ``held`` keeps what has been read, for another moment of the same frame.
    Raises GazeSplatError for splats or files that are damaged.
    """
    held, seen = {} if held is None else held, []
    for carrier, to_world in carriers.seen_carriers(depsgraph):
        name = carrier.original.name_full
        if name not in held:
            held[name] = _hold(carrier.original)
        if held[name] is None:
            continue
        splats, sides = held[name]
        modifier = carriers.display_modifier(carrier)
        seen.append(SeenPortrait(splats, to_world, carriers.eye_poses(modifier, sides), carriers.raster_settings(modifier)))
    return seen


def _hold(carrier: bpy.types.Object) -> tuple[HeldSplats, tuple[str, ...]] | None:
    """Return a carrier's splats and the sides that have an eye; None when it has no splats."""
    mesh = carrier.data
    if not len(mesh.vertices):
        return None
    rig = rig_of(carrier)
    arrays = carriers.read_carrier(mesh)
    rig_json = json.loads(json.dumps(to_json(rig))) if rig is not None else None
    digest = hashlib.blake2b(json.dumps(rig_json, sort_keys=True).encode(), digest_size=16)
    for name, array in arrays.items():
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array)
    return HeldSplats(digest.hexdigest(), arrays, rig_json), tuple(rig.eyes if rig is not None else ())
