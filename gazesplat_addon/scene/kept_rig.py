# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye rig inside the .blend, so that a saved file can be posed and drawn wherever the portrait's folder is.

It is kept as the sidecar's JSON on the carrier's mesh, beside the splats that it is about: copies, appended and linked
portraits bring it along. Files saved before it was kept there take it in when they are opened.
"""
from __future__ import annotations

import json
import logging
from pathlib import Path

import bpy

from ...backend.contract import plain_json
from ...backend.contract.errors import GazeSplatError
from ..rig.sidecar import PortraitRig, from_json, load_sidecar, to_json
from . import store

RIG_KEY = "gazesplat_rig"

_log = logging.getLogger(__name__)


def keep_rig(mesh: bpy.types.Mesh, rig: PortraitRig | None) -> None:
    """Write a portrait's rig onto its carrier's mesh; nothing for splats without eyes."""
    if rig is not None and rig.eyes:
        mesh[RIG_KEY] = json.dumps(to_json(rig), default=float)


def rig_of(carrier: bpy.types.Object) -> PortraitRig | None:
    """Return the rig of a carrier's splats, None for splats without eyes.

    A file that was saved before rigs were kept is read from the portrait's folder. Raises GazeSplatError
    ``sidecar-invalid``, ``sidecar-newer``, and for such a file what ``load_sidecar`` raises.
    """
    kept = carrier.data.get(RIG_KEY)
    if kept is not None:
        return _parsed(kept)
    root = store.root_of(carrier)
    if root is None or not root[store.ROOT_KEY]["rigged"]:
        return None
    folder = Path(bpy.path.abspath(root[store.ROOT_KEY]["folder"], library=root.library))
    return load_sidecar(folder, len(carrier.data.vertices))[0]


def adopt_rigs() -> list[str]:
    """Take in the rigs of portraits saved before they were kept in the file; return the carriers' names.

    A folder that is gone or damaged is left for the render to complain about.
    """
    adopted = []
    for carrier in bpy.data.objects:
        if carrier.get(store.PART_KEY) != store.SPLATS or carrier.data.library is not None or RIG_KEY in carrier.data:
            continue
        try:
            rig = rig_of(carrier)
        except GazeSplatError as error:
            _log.warning("%s: %s", carrier.name, error)
            continue
        keep_rig(carrier.data, rig)
        if RIG_KEY in carrier.data:
            adopted.append(carrier.name)
    return adopted


def _parsed(kept: object) -> PortraitRig:
    try:
        return from_json(plain_json.parse(kept))
    except (TypeError, ValueError) as error:
        raise GazeSplatError("sidecar-invalid", f"The eye rig in this file is damaged ({error}).", "Reload the portrait.") from error
