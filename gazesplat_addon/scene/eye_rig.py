# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects an animator works with, and the drivers that carry their motion into the node tree.

    <Name>              Empty: place it, key it; its custom properties are the controls
      <Name>.head       Empty at the neck: turn the head
        <Name>.splats   the splats
        <Name>.eye.L/R  Empties whose -Y axis follows the target
      <Name>.gaze       Empty: the target. Child of the root, not of the head, so that eyes hold it when the head moves
      <Name>.camera     the photo's camera

At rest every part has location and rotation zero: where it belongs is in its parent inverse.
"""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .. import compat
from ..nodes.portrait import pose_input
from ..rig.sidecar import EyeRig, PortraitRig
from . import actions, controls, store
from .drivers import drive, property_variable, rotation_variable

TRACK_CONSTRAINT = "GazeSplat Look At"
TARGET_CONSTRAINT = "GazeSplat Target"
LIMITS_KEY = "gazesplat_limits_deg"
# With this order -Y is led by Z then X, whatever the roll: yaw and pitch of the axis, exactly.
_ORDER = "YXZ"
# A blink's dip goes down and towards the nose in equal parts (Riggs 1987 gives no ratio).
DIP_SHARE = 0.7071
# In the photo the target lies in the lens: less than its clip start, else the camera looks out of the sphere, at black lines.
TARGET_SIZE_M = 0.008
NEAREST_TARGET_M, FAR_TARGET_M = 0.05, 20.0
# The end of a driver that clamps an angle: its lowest and highest value.
_ENDS = re.compile(r", (-?[\d.]+), (-?[\d.]+)\)$")
_NASAL = {"left": -1.0, "right": 1.0}    # + yaw is the subject's left


def create_head(root: bpy.types.Object, rig: PortraitRig, *, collection: bpy.types.Collection) -> bpy.types.Object:
    """Return the head Empty below the root."""
    head = _empty(f"{root.name}.head", "SPHERE", 0.03, root, store.HEAD, collection)
    head.rotation_mode = "YXZ"
    place_head(head, rig)
    return head


def create_eyes(root: bpy.types.Object, head: bpy.types.Object, rig: PortraitRig, *, collection: bpy.types.Collection) -> None:
    """Add the gaze Empty, an Empty for each eye, the controls on the root, and all drivers."""
    controls.add_controls(root)
    gaze = _empty(f"{root.name}.gaze", "SPHERE", TARGET_SIZE_M, root, store.GAZE, collection)
    for side, kind in store.EYES.items():
        if side not in rig.eyes:
            continue
        eye = _empty(f"{root.name}.{kind}", "ARROWS", 0.012, head, kind, collection)
        track = eye.constraints.new("DAMPED_TRACK")
        track.name = TRACK_CONSTRAINT
        track.target, track.track_axis = gaze, "TRACK_NEGATIVE_Y"
        drive(eye, f'constraints["{TRACK_CONSTRAINT}"].influence', "look_at", look_at=property_variable(root, '["look_at"]'))
    place_eyes(root, rig)


def place_head(head: bpy.types.Object, rig: PortraitRig) -> None:
    """Put the head's pivot at the neck."""
    head.matrix_parent_inverse = Matrix.Translation(rig.neck_pivot_m)


def place_below_head(part: bpy.types.Object, rig: PortraitRig, rest: Matrix) -> None:
    """Give a child of the head its place at rest, as a matrix in the portrait frame."""
    part.matrix_parent_inverse = Matrix.Translation(rig.neck_pivot_m).inverted() @ rest


def place_eyes(root: bpy.types.Object, rig: PortraitRig) -> None:
    """Put eyes and gaze target where the rig has them, and write the drivers with the rig's limits."""
    parts = store.parts_of(root)
    for side, eye in rig.eyes.items():
        place_below_head(parts[store.EYES[side]], rig, eye_rest_matrix(eye))
    keep_limits(root, limits_of(rig))
    drive_eyes(root)
    parts[store.GAZE].matrix_parent_inverse = Matrix.Translation(rest_target_m(rig))


def limits_of(rig: PortraitRig) -> dict[str, tuple[float, float, float]]:
    """Return how far each eye turns: sideways, up and down, degrees."""
    return {side: (eye.yaw_limit_deg, eye.up_limit_deg, eye.down_limit_deg) for side, eye in rig.eyes.items()}


def keep_limits(root: bpy.types.Object, limits: Mapping[str, tuple[float, float, float]]) -> None:
    """Write down how far each eye turns."""
    parts = store.parts_of(root)
    for side, degrees in limits.items():
        if store.EYES[side] in parts:
            parts[store.EYES[side]][LIMITS_KEY] = degrees


def driven_limits(root: bpy.types.Object) -> dict[str, tuple[float, float, float]]:
    """Return the limits that a portrait's drivers hold, for one that was made before they were written down."""
    modifier, found = store.display_modifier(root), {}
    drivers = {curve.data_path: curve.driver.expression for curve in modifier.id_data.animation_data.drivers}
    for side, kind in store.EYES.items():
        ends = [_ENDS.search(drivers.get(compat.modifier_input_path(modifier, pose_input(name, side)), ""))
                for name in (("Yaw", "Pitch") if kind in store.parts_of(root) else ())]
        if ends and all(ends):
            found[side] = (float(ends[0][2]), float(ends[1][2]), -float(ends[1][1]))
    return found


def drive_eyes(root: bpy.types.Object) -> None:
    """Write the drivers that carry controls and eye objects into the node tree, within the limits that were written down."""
    parts = store.parts_of(root)
    for side, kind in store.EYES.items():
        if kind in parts and LIMITS_KEY in parts[kind]:
            _drive_pose(root, parts[kind], side, tuple(parts[kind][LIMITS_KEY]))


def rest_frames(root: bpy.types.Object) -> dict[str, tuple[Matrix, tuple[float, float, float]]]:
    """Return for each eye its rest frame below the head (X the subject's left, -Y the gaze, Z up) and its limits.

    The limits are yaw, up and down in degrees. Empty for a portrait that an earlier GazeSplat has loaded.
    """
    parts = store.parts_of(root)
    return {side: (parts[kind].matrix_parent_inverse.copy(), tuple(parts[kind][LIMITS_KEY]))
            for side, kind in store.EYES.items() if kind in parts and LIMITS_KEY in parts[kind]}


def eye_rest_matrix(eye: EyeRig) -> Matrix:
    """Return the rest frame of an eye in the portrait frame: X the subject's left, -Y the gaze, Z up."""
    left, up, forward = eye.gaze_frame().T
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([left, -forward, up], axis=1)
    matrix[:3, 3] = eye.centre_m
    return Matrix(matrix.tolist())


def rest_target_m(rig: PortraitRig) -> np.ndarray:
    """Return the point (3,) where the eyes looked in the photo, portrait frame: with it as target nothing turns.

    It is where the rest axes come closest to each other; parallel or diverging axes are taken to meet far away.
    """
    centres = np.array([eye.centre_m for eye in rig.eyes.values()], float)
    axes = np.array([eye.rest_axis for eye in rig.eyes.values()], float)
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    normal = across.sum(axis=0)
    if np.linalg.cond(normal) < 1e8:
        point = np.linalg.solve(normal, np.einsum("nij,nj->i", across, centres))
        if (np.einsum("nj,nj->n", point - centres, axes) > NEAREST_TARGET_M).all():
            return point
    return centres.mean(axis=0) + FAR_TARGET_M * axes.mean(axis=0)


def look_at(root: bpy.types.Object, target: bpy.types.Object | Sequence[float] | None, bone: str = "") -> None:
    """Let the eyes follow an object, one of its bones, or a point of the world; None brings them to rest.

    A point stays where it is in the world when the portrait moves. ``root["look_at"]`` becomes 1, or 0 for None.
    """
    gaze = store.part_of(root, store.GAZE)
    forget_targets(gaze)
    if target is None:
        gaze.location = (0.0, 0.0, 0.0)
    elif target is not gaze:
        add_target(gaze, target, bone)
    root["look_at"] = 0.0 if target is None else 1.0
    root.update_tag()


def forget_targets(gaze: bpy.types.Object) -> None:
    """Remove every target of the gaze Empty, and the keys that switched between them."""
    for constraint in [c for c in gaze.constraints if c.name.startswith(TARGET_CONSTRAINT)]:
        bag = actions.channelbag(gaze)
        fcurve = bag.fcurves.find(influence_path(constraint)) if bag is not None else None
        if fcurve is not None:
            bag.fcurves.remove(fcurve)
        gaze.constraints.remove(constraint)


def add_target(gaze: bpy.types.Object, target: bpy.types.Object | Sequence[float] | None, bone: str = "",
               name: str = TARGET_CONSTRAINT) -> bpy.types.Constraint:
    """Put one more target on top of those that the gaze Empty has; None is where the eyes looked in the photo."""
    if isinstance(target, bpy.types.Object):
        follow = gaze.constraints.new("COPY_LOCATION")
        follow.name, follow.target, follow.subtarget = name, target, bone
        return follow
    pin = gaze.constraints.new("LIMIT_LOCATION")
    pin.name, pin.owner_space = name, "WORLD" if target is not None else "LOCAL"
    for axis, value in zip("xyz", (0.0, 0.0, 0.0) if target is None else Vector(target), strict=True):
        for end in ("min", "max"):
            setattr(pin, f"use_{end}_{axis}", True)
            setattr(pin, f"{end}_{axis}", value)
    return pin


def target_point(gaze: bpy.types.Object, target: bpy.types.Object | Sequence[float] | None, bone: str = "") -> Vector:
    """Return where a target is now, in the world."""
    if isinstance(target, bpy.types.Object):
        return target.matrix_world @ target.pose.bones[bone].head if bone else target.matrix_world.translation.copy()
    return Vector(target) if target is not None else (gaze.parent.matrix_world @ gaze.matrix_parent_inverse).translation


def influence_path(constraint: bpy.types.Constraint) -> str:
    """Return the data path of a constraint's influence, for keys."""
    return f'constraints["{constraint.name}"].influence'


def kept_target(root: bpy.types.Object) -> dict:
    """Return what ``restore_target`` needs to bring the present target back."""
    gaze = store.part_of(root, store.GAZE)
    kept = {"location": gaze.location.copy(), "look_at": float(root["look_at"]), "to": None}
    for constraint in gaze.constraints:
        if constraint.name.startswith(TARGET_CONSTRAINT):
            if constraint.type == "COPY_LOCATION":
                kept["to"] = (constraint.target, constraint.subtarget)
            else:
                kept["to"] = (Vector((constraint.min_x, constraint.min_y, constraint.min_z)), "")
    return kept


def restore_target(root: bpy.types.Object, kept: dict) -> None:
    """Bring a target of ``kept_target`` back."""
    gaze = store.part_of(root, store.GAZE)
    target, bone = kept["to"] or (gaze, "")
    look_at(root, target, bone)
    gaze.location, root["look_at"] = kept["location"], kept["look_at"]
    root.update_tag()


def target_position(root: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Vector:
    """Return where the eyes are asked to look, in the world."""
    return store.part_of(root, store.GAZE).evaluated_get(depsgraph).matrix_world.translation.copy()


def _drive_pose(root: bpy.types.Object, eye: bpy.types.Object, side: str, limits_deg: tuple[float, float, float]) -> None:
    modifier = store.display_modifier(root)
    carrier = modifier.id_data

    def control(name: str):
        return property_variable(root, f'["{name}"]')

    def drive_input(name: str, expression: str, **variables) -> None:
        drive(carrier, compat.modifier_input_path(modifier, pose_input(name, side)), expression, **variables)

    life, dip, look = control("life"), control("life_gaze_dip"), control("look_at")
    # Without a target nothing else gives back what the generated head motion turns (VOR); hand keys on the head carry the gaze along.
    head = store.part_of(root, store.HEAD)
    drift_yaw, drift_down = (property_variable(head, f"delta_rotation_euler[{axis}]") for axis in (2, 0))
    sideways, up, down = limits_deg
    drive_input("Yaw", f"clamp(degrees(eye) + hand + life * (made + {_NASAL[side] * DIP_SHARE:.4f} * dip)"
                       f" - (1 - look) * degrees(turn), {-sideways:g}, {sideways:g})",
                eye=rotation_variable(eye, "ROT_Z", _ORDER), hand=control("gaze_yaw"), made=control("life_gaze_yaw"), dip=dip, life=life,
                look=look, turn=drift_yaw)
    # Turning about +X lowers -Y.
    drive_input("Pitch", f"clamp(hand - degrees(eye) + life * (made - {DIP_SHARE:.4f} * dip)"
                         f" + (1 - look) * degrees(nod), {-down:g}, {up:g})",
                eye=rotation_variable(eye, "ROT_X", _ORDER), hand=control("gaze_pitch"), made=control("life_gaze_pitch"),
                dip=dip, life=life, look=look, nod=drift_down)
    # A blink closes what heavy lids have left open.
    drive_input("Blink", "clamp(max(hand, life * (lids + (1 - lids) * made)), 0, 1)",
                hand=control(f"blink_{side}"), made=control(f"life_blink_{side}"), lids=control("life_lids"), life=life)
    drive_input("Pupil", "hand * (1 + life * made)", hand=control("pupil"), made=control("life_pupil"), life=life)


def _empty(name: str, display: str, size: float, parent: bpy.types.Object, kind: str,
           collection: bpy.types.Collection) -> bpy.types.Object:
    empty = bpy.data.objects.new(name, None)
    empty.empty_display_type, empty.empty_display_size = display, size
    collection.objects.link(empty)
    empty.parent = parent
    store.tag_part(empty, kind)
    return empty
