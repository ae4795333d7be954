# SPDX-License-Identifier: GPL-3.0-or-later
"""The portraits that a viewport shows: splats sent to the graphics card once, poses read again when the scene has changed."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from .. import compat
from ..scene import carriers
from ..scene.kept_rig import rig_of
from ..scene.render_settings import OWN_ENGINE
from .painter import HeldSplats, Shown
from .resting import can_rest

# Portraits that are kept on the card though no viewport shows them now: another scene may, the next moment.
SPARE = 4


@dataclass(frozen=True)
class LivePortrait:
    """One carrier in the scene, as posed; ``scene_linear``: its colours are decoded before they are blended (not under our own engine)."""

    carrier: bpy.types.Object
    shown: Shown
    scene_linear: bool


class LivePortraits:
    """What the scenes of this file show. Nothing is read while nothing changes."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, bool], HeldSplats] = {}
        self._read: dict[tuple[int, str, str], list[LivePortrait]] = {}
        self._stale: set[int] = set()

    def changed(self) -> None:
        """Read poses and places again before the next picture."""
        self._read.clear()

    def mesh_changed(self, mesh: bpy.types.Mesh) -> None:
        """Send a carrier's splats again before the next picture."""
        self._stale.add(mesh.session_uid)

    def forget(self) -> None:
        """Let go of everything: another file is open, or another state of this one."""
        self._held.clear()
        self._read.clear()
        self._stale.clear()

    def seen(self, depsgraph: bpy.types.Depsgraph) -> list[LivePortrait]:
        """Return the portraits of a view layer, but those whose exact quads the artist wants to see, or whose nodes cannot rest.

        Raises GazeSplatError for splats or rigs that are damaged.
        """
        key = depsgraph.scene.session_uid, depsgraph.view_layer.name, depsgraph.scene.render.engine
        if key not in self._read:
            self._read[key] = list(self._portraits(depsgraph))
        return self._read[key]

    def _portraits(self, depsgraph: bpy.types.Depsgraph) -> Iterator[LivePortrait]:
        for carrier, to_world in carriers.seen_carriers(depsgraph):
            modifier = carriers.display_modifier(carrier)
            if modifier is None or not len(carrier.original.data.vertices):
                continue
            if compat.get_modifier_input(modifier, "Exact in Viewport") or not can_rest(carriers.display_modifier(carrier.original)):
                continue
            linear = bool(compat.get_modifier_input(modifier, "Scene Linear")) and depsgraph.scene.render.engine != OWN_ENGINE
            held = self._splats(carrier.original, linear)
            if held is None:
                continue
            shown = Shown(held, to_world, carriers.eye_poses(modifier, tuple(held.rigs)), carriers.raster_settings(modifier))
            yield LivePortrait(carrier.original, shown, linear)

    def _splats(self, carrier: bpy.types.Object, scene_linear: bool) -> HeldSplats | None:
        """Return a carrier's splats, the last ones used at the end. In Edit Mode a mesh cannot be read: those of before, None without."""
        mesh = carrier.data
        uid = mesh.session_uid, scene_linear
        held = self._held.pop(uid, None)
        if not mesh.is_editmode:
            if mesh.session_uid in self._stale:
                self._stale.discard(mesh.session_uid)
                self._held.pop((mesh.session_uid, not scene_linear), None)
                held = None
            if held is None or held.count != len(mesh.vertices):
                rig = rig_of(carrier)
                held = HeldSplats(carriers.read_carrier(mesh, blends_light=scene_linear), rig.eyes if rig is not None else {})
        if held is not None:
            self._held[uid] = held
        shown = sum(len(portraits) for portraits in self._read.values())
        for spare in list(self._held)[:-(shown + SPARE)]:
            del self._held[spare]
        return held
