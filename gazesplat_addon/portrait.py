# SPDX-License-Identifier: GPL-3.0-or-later
"""``Portrait``: one reconstructed head in the file, as an artist types it.

It keeps no state of its own. Everything is in the .blend, so that undo, saving and renaming just work; the root
object is looked up by Blender's session id, which renaming does not change.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy

from ..backend.contract.errors import GazeSplatError
from . import motion
from .portrait_correction import Correction
from .portrait_eyes import Eyes
from .portrait_files import Files
from .portrait_life import Life
from .portrait_origin import Origin
from .portrait_render import Rendering
from .scene import eye_rig, portrait_object, store

Target = bpy.types.Object | bpy.types.PoseBone | Sequence[float] | None

# Hand gaze beyond this is a mistake in units, not a wish; the rig's own limits are tighter.
_GAZE_MAX_DEG = 90.0
_PUPIL_MIN, _PUPIL_MAX = 0.3, 3.0
# Parts that the eyes sit on: looking at one would turn in a circle.
_HEAD_PARTS = (store.HEAD, store.SPLATS, *store.EYES.values())


class Portrait(Life, Origin, Rendering, Files, Correction):
    """One portrait, or a plain splat without eyes (``rigged`` is False then).

    Every member raises GazeSplatError ``portrait-deleted`` once its root object is gone.
    """

    def __init__(self, root: bpy.types.Object) -> None:
        if not store.is_root(root):
            raise GazeSplatError("not-a-portrait", f"{root.name} is not the root of a portrait.",
                                 "Use gs.portraits(), or gs.load() a portrait.ply.")
        self._uid = root.session_uid
        self._last_name = root.name

    @classmethod
    def load(cls, path: Path, *, name: str | None, scene: bpy.types.Scene | None) -> Portrait:
        """Bring a portrait's files into a scene; see ``api.load``."""
        return cls(portrait_object.load_portrait(path, name=name, scene=scene or bpy.context.scene))

    def __repr__(self) -> str:
        root = self._find()
        return f"<Portrait {root.name!r}>" if root is not None else f"<Portrait {self._last_name!r}, deleted>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Portrait) and other._uid == self._uid

    def __hash__(self) -> int:
        return hash(self._uid)

    # ------------------------------------------------------------ what it is made of

    @property
    def root(self) -> bpy.types.Object:
        """The Empty that carries the portrait: place it, key it, give it a parent. Its custom properties are the controls."""
        root = self._find()
        if root is None:
            raise GazeSplatError("portrait-deleted", f"The portrait {self._last_name} is no longer in this file.",
                                 "Use gs.portraits() to see which there are.")
        self._last_name = root.name
        return root

    @property
    def name(self) -> str:
        """The root object's name."""
        return self.root.name

    @name.setter
    def name(self, name: str) -> None:
        self.root.name = name

    @property
    def alive(self) -> bool:
        """True while the portrait is in the file."""
        return self._find() is not None

    @property
    def rigged(self) -> bool:
        """True when it has eyes to direct."""
        return bool(self.root[store.ROOT_KEY]["rigged"])

    @property
    def head(self) -> bpy.types.Object:
        """The Empty at the neck: turn the head with its rotation."""
        return self._part(store.HEAD)

    @property
    def object(self) -> bpy.types.Object:
        """The object that carries the splats and shows them."""
        return self._part(store.SPLATS)

    @property
    def gaze_target(self) -> bpy.types.Object:
        """The Empty that the eyes follow; move and key it as you like, or use ``look_at``."""
        return self._rigged_part(store.GAZE)

    @property
    def camera(self) -> bpy.types.Object:
        """The photo's camera: seen from here, the portrait looks like the photo."""
        return self._part(store.CAMERA)

    @property
    def folder(self) -> Path:
        """Where the portrait's files lie."""
        return Path(bpy.path.abspath(self.root[store.ROOT_KEY]["folder"]))

    @property
    def scene(self) -> bpy.types.Scene:
        """The scene it is in (the first one, if it is in several)."""
        scenes = self.root.users_scene
        if not scenes:
            raise GazeSplatError("no-scene", f"{self.name} is in no scene.", "Link its collection to a scene first.")
        return scenes[0]

    @property
    def eyes(self) -> Eyes:
        """Both eyes: ``portrait.eyes.left.openness``."""
        self._require_rig()
        return Eyes(self)

    # ------------------------------------------------------------ directing, by hand

    def look_at(self, target: Target) -> None:
        """Let both eyes follow an object, a pose bone or a point (x, y, z) in world space; None lets them rest.

        Limits of ±35° sideways, 25° up and 30° down hold. A fixed target stays fixed when the head moves.
        """
        root = self.require_parts()
        if isinstance(target, bpy.types.PoseBone):
            eye_rig.look_at(root, target.id_data, target.name)
        elif target is None or isinstance(target, bpy.types.Object):
            if target is not None and target.get(store.PART_KEY) in _HEAD_PARTS and store.root_of(target) == root:
                raise GazeSplatError("looks-at-itself", f"{root.name} cannot look at its own part {target.name}.",
                                     "Choose an object that does not belong to the head.")
            eye_rig.look_at(root, target)
        else:
            eye_rig.look_at(root, _point(target))

    def look_at_list(self, targets: Sequence[tuple[float, Target]]) -> int:
        """Let the eyes go from target to target: pairs of a frame and an object, pose bone, point or None; return how many keys were made.

            portrait.look_at_list([(1, camera), (48, candle), (96, None)])

        They dart to each at its frame, and go home gently for None. The keys are on the gaze target's constraints, for you to edit.
        """
        root = self.require_parts()
        pairs = [tuple(pair) for pair in targets]
        if not pairs or not all(len(pair) == 2 for pair in pairs):
            raise GazeSplatError("bad-target", "There is nothing to look at in that list.", "Give pairs: [(1, camera), (48, candle)].")
        rows = []
        for frame, target in sorted(pairs, key=lambda pair: pair[0]):
            bone = target.name if isinstance(target, bpy.types.PoseBone) else ""
            owner = target.id_data if bone else target
            if isinstance(owner, bpy.types.Object) and owner.get(store.PART_KEY) in _HEAD_PARTS and store.root_of(owner) == root:
                raise GazeSplatError("looks-at-itself", f"{root.name} cannot look at its own part {owner.name}.",
                                     "Choose an object that does not belong to the head.")
            rows.append((float(frame), owner if owner is None or isinstance(owner, bpy.types.Object) else _point(owner), bone))
        return motion.look_at_list(root, self.scene, rows)

    @property
    def gaze(self) -> tuple[float, float]:
        """Your own (yaw, pitch) in degrees, on top of the target and the generated motion.

        + yaw is the subject's left, + pitch up. Key it with ``portrait.root.keyframe_insert('["gaze_yaw"]')``.
        """
        return self.read("gaze_yaw"), self.read("gaze_pitch")

    @gaze.setter
    def gaze(self, yaw_pitch_deg: tuple[float, float]) -> None:
        try:
            yaw_deg, pitch_deg = yaw_pitch_deg
        except (TypeError, ValueError) as error:
            raise GazeSplatError("bad-value", f"A gaze is two angles in degrees, not {yaw_pitch_deg!r}.",
                                 "For example portrait.gaze = (12.0, -4.0).") from error
        for name, angle in (("yaw", yaw_deg), ("pitch", pitch_deg)):
            self.check(name, angle, -_GAZE_MAX_DEG, _GAZE_MAX_DEG)
        self.write("gaze_yaw", yaw_deg, -_GAZE_MAX_DEG, _GAZE_MAX_DEG)
        self.write("gaze_pitch", pitch_deg, -_GAZE_MAX_DEG, _GAZE_MAX_DEG)

    @property
    def pupil(self) -> float:
        """The pupils' radius relative to the photo: 1 as photographed."""
        return self.read("pupil")

    @pupil.setter
    def pupil(self, scale: float) -> None:
        self.write("pupil", scale, _PUPIL_MIN, _PUPIL_MAX)

    @property
    def look_at_influence(self) -> float:
        """How far the eyes follow their target: 0 not at all, 1 fully. Can be keyed as ``["look_at"]`` of the root."""
        return self.read("look_at")

    @look_at_influence.setter
    def look_at_influence(self, share: float) -> None:
        self.write("look_at", share, 0.0, 1.0)

    @property
    def life(self) -> float:
        """How much of the generated motion shows: 0 none, 1 all."""
        return self.read("life")

    @life.setter
    def life(self, share: float) -> None:
        self.write("life", share, 0.0, 1.0)

    # ------------------------------------------------------------ for the rooms around it

    def read(self, name: str) -> float:
        """Return one control, a custom property of the root."""
        return float(self._require_rig()[name])

    def write(self, name: str, value: float, low: float, high: float) -> None:
        """Set one control and let Blender know; GazeSplatError ``bad-value`` unless it lies within low and high."""
        self.check(name, value, low, high)
        root = self._require_rig()
        root[name] = float(value)
        root.update_tag()

    @staticmethod
    def check(name: str, value: float, low: float, high: float) -> None:
        """Raise ``bad-value`` unless a value is a finite number within low and high."""
        number = (isinstance(value, (int, float)) and not isinstance(value, bool)) or hasattr(value, "__float__")
        if not number or not math.isfinite(float(value)) or not low <= float(value) <= high:
            raise GazeSplatError("bad-value", f"{name} cannot be {value!r}.", f"Use a number from {low:g} to {high:g}.")

    def _find(self) -> bpy.types.Object | None:
        named = bpy.data.objects.get(self._last_name)
        if named is not None and named.session_uid == self._uid:
            return named
        return next((one for one in bpy.data.objects if one.session_uid == self._uid), None)

    def _require_rig(self) -> bpy.types.Object:
        root = self.root
        if not root[store.ROOT_KEY]["rigged"]:
            raise GazeSplatError("no-rig", f"{root.name} has no eyes to direct: it was loaded without its sidecar.",
                                 "Load the portrait.ply that lies beside its portrait.json and portrait.npz.")
        return root

    def require_parts(self) -> bpy.types.Object:
        """Return the root if everything that motion needs is still there."""
        root = self._require_rig()
        for kind in (store.HEAD, store.GAZE, store.SPLATS):
            self._part(kind)
        return root

    def _rigged_part(self, kind: str) -> bpy.types.Object:
        self._require_rig()
        return self._part(kind)

    def _part(self, kind: str) -> bpy.types.Object:
        parts = store.parts_of(self.root)
        if kind not in parts:
            raise GazeSplatError("part-deleted", f"{self.name} has no {kind} any more.", "Undo, or delete the portrait and load it again.")
        return parts[kind]


def chosen(active: bpy.types.Object | None, scene: bpy.types.Scene) -> Portrait | None:
    """Return the portrait an artist means: the active object's, else the scene's only one, else None."""
    root = store.root_of(active)
    if root is None:
        roots = store.portraits_in(scene)
        root = roots[0] if len(roots) == 1 else None
    return Portrait(root) if root is not None else None


def _point(target: Sequence[float]) -> tuple[float, float, float]:
    try:
        x, y, z = (float(value) for value in target)
    except (TypeError, ValueError) as error:
        raise GazeSplatError("bad-target", f"Eyes cannot look at {target!r}.",
                             "Give an object, a pose bone, a point (x, y, z) or None.") from error
    if not all(map(math.isfinite, (x, y, z))):
        raise GazeSplatError("bad-target", f"The point {x}, {y}, {z} lies nowhere.", "Give three finite numbers.")
    return x, y, z
