# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids and irises drawn over the photo, as curves that are edited with Blender's own tools.

    <Name>.camera
      <Name>.eye_guides           Empty on a plane before the photo's camera, whose X and -Y are pixels of the whole photo
        <Name>.guide.L.upper ...  flat Bezier curves of five points, from the inner corner to the outer
        <Name>.guide.L.iris ...   a circle: move and scale it
      <Name>.photo                the photo itself, on a plane a little behind

Seen from the photo's camera they lie exactly on the photo. They belong to the portrait and are gone once its eyes are built.
"""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.contract.errors import GazeSplatError
from ..rig.eye_marks import IRIS, LIDS, PHOTO, POINTS, Crop, EyeMarks, KeptMarks
from ..rig.sidecar import PortraitRig, SourceCamera
from . import store

GUIDES, PHOTO_PLANE = "eye_guides", "photo"
_LETTERS = {"left": "L", "right": "R"}
# The plane lies half-way to the eyes: before nose and hair, beyond the camera's near limit.
_PLANE_SHARE, _PHOTO_SHARE = 0.5, 0.51
_COLOURS = {"upper": (1.0, 0.75, 0.1, 1.0), "lower": (0.2, 0.8, 1.0, 1.0), IRIS: (0.3, 1.0, 0.4, 1.0)}
_CIRCLE = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
_ARC = 0.5522847498          # handle length with which four Bezier spans are a circle


def show(root: bpy.types.Object, rig: PortraitRig, kept: KeptMarks, folder: Path) -> bpy.types.Object:
    """Draw the marks of a portrait and return the plane they lie on; those drawn before go. The splats are hidden meanwhile.

    Raises GazeSplatError ``part-deleted`` without the photo's camera, ``no-photo`` without the photo.
    """
    path = Path(folder) / PHOTO
    if not path.is_file():
        raise GazeSplatError("no-photo", f"There is no {PHOTO} beside the portrait to draw on.",
                             "Restore it, or reconstruct the portrait from its photo once more.")
    camera = store.parts_of(root).get(store.CAMERA)
    if camera is None:
        raise GazeSplatError("part-deleted", f"{root.name} has lost the camera of its photo.", "Undo, or load the portrait again.")
    hide(root)
    eyes = np.mean([eye.iris_centre_m for eye in rig.eyes.values()], axis=0)
    away = float(np.asarray(rig.camera.w2c)[2] @ np.append(eyes, 1.0))
    plane = _child(root, GUIDES, f"{root.name}.eye_guides", None, camera)
    plane.empty_display_size = 1e-3
    plane.matrix_basis = photo_plane(rig.camera, kept.crop, _PLANE_SHARE * away)
    _lock(plane, (True,) * 3, (True,) * 3)
    _show_photo(root, camera, path, rig.camera, kept.crop, _PHOTO_SHARE * away)
    for side, marks in kept.marks.items():
        for lid in LIDS:
            _lid(root, plane, side, lid, getattr(marks, lid), kept.handles[side][lid])
        _iris(root, plane, side, marks.iris)
    carrier = store.parts_of(root).get(store.SPLATS)
    if carrier is not None and not carrier.hide_viewport:
        carrier.hide_viewport = plane["hid_splats"] = True
    return plane


def hide(root: bpy.types.Object) -> bool:
    """Remove the drawing and show the splats again; return whether there was one. GazeSplatError ``edit-mode``."""
    parts = store.parts_of(root)
    refuse_edit_mode(root)
    if GUIDES in parts and parts[GUIDES].get("hid_splats") and store.SPLATS in parts:
        parts[store.SPLATS].hide_viewport = False
    drawn = [part for kind, part in parts.items() if kind in (GUIDES, PHOTO_PLANE) or kind.startswith("guide.")]
    store.remove_objects(drawn)
    return bool(drawn)


def shown(root: bpy.types.Object) -> bool:
    """Return whether the portrait's marks are drawn."""
    return GUIDES in store.parts_of(root)


def refuse_edit_mode(root: bpy.types.Object) -> None:
    """Raise GazeSplatError ``edit-mode`` while a drawn curve is being edited: Blender has not written it back yet."""
    editing = next((part for kind, part in store.parts_of(root).items() if kind.startswith("guide.") and part.mode == "EDIT"), None)
    if editing is not None:
        raise GazeSplatError("edit-mode", f"{editing.name} is in edit mode.", "Leave edit mode first (Tab).")


def read(root: bpy.types.Object) -> dict[str, EyeMarks]:
    """Return what is drawn, in pixels of the whole photo.

    Raises GazeSplatError ``no-guides`` where nothing is drawn, ``guide-deleted``, ``guide-points``, ``edit-mode``.
    """
    parts = store.parts_of(root)
    refuse_edit_mode(root)
    if GUIDES not in parts:
        raise GazeSplatError("no-guides", f"The lids and irises of {root.name} are not drawn.",
                             "Press Correct Eyes first, or portrait.show_eye_guides().")
    found = {}
    for side in _LETTERS:
        upper, lower = (_pixels(_guide(parts, root, side, lid)) for lid in LIDS)
        for lid, points in (("upper", upper), ("lower", lower)):
            if len(points) != POINTS:
                raise GazeSplatError("guide-points", f"The {side} eye's {lid} lid has {len(points)} points and needs {POINTS}.",
                                     "Undo, or press Correct Eyes again to start over.")
        ring = _pixels(_guide(parts, root, side, IRIS))
        centre = ring.mean(axis=0)
        found[side] = EyeMarks(upper, lower, np.append(centre, np.linalg.norm(ring - centre, axis=1).mean()))
    return found


def photo_plane(source: SourceCamera, crop: Crop, away_m: float) -> Matrix:
    """Return the matrix, below the photo's camera, of a plane ``away_m`` before it on which (x, -y) are pixels of the whole photo."""
    per_pixel = np.array([crop.scale * away_m / source.fx, crop.scale * away_m / source.fy])
    corner = -np.array([crop.left_px, crop.top_px]) - np.array([source.cx, source.cy]) / crop.scale
    return (Matrix.Translation((corner[0] * per_pixel[0], -corner[1] * per_pixel[1], -away_m))
            @ Matrix.Diagonal((per_pixel[0], per_pixel[1], 1.0, 1.0)))


def _guide(parts: Mapping[str, bpy.types.Object], root: bpy.types.Object, side: str, what: str) -> bpy.types.Object:
    kind = _kind(side, what)
    if kind not in parts:
        drawn = f"{what} lid" if what in LIDS else what
        raise GazeSplatError("guide-deleted", f"The {side} eye's {drawn} is no longer drawn for {root.name}.",
                             "Undo, or press Correct Eyes again to start over.")
    return parts[kind]


def _kind(side: str, what: str) -> str:
    return f"guide.{_LETTERS[side]}.{what}"


def _pixels(guide: bpy.types.Object) -> np.ndarray:
    """Return the control points (N, 2) of a flat curve in pixels of the photo, as moved in edit mode or as an object."""
    points = [point.co for spline in guide.data.splines for point in spline.bezier_points]
    moved = np.array([guide.matrix_basis @ point for point in points]).reshape(-1, 3).astype(float)
    return moved[:, :2] * [1.0, -1.0]


def _lid(root: bpy.types.Object, plane: bpy.types.Object, side: str, lid: str, points: np.ndarray, handles: np.ndarray) -> None:
    curve = _flat_curve(f"{root.name}.{_kind(side, lid)}", points, handles)
    guide = _child(root, _kind(side, lid), curve.name, curve, plane)
    guide.color = _COLOURS[lid]
    _lock(guide, (False, False, True), (False, False, True))


def _iris(root: bpy.types.Object, plane: bpy.types.Object, side: str, iris: np.ndarray) -> None:
    across = _ARC * np.stack([-_CIRCLE[:, 1], _CIRCLE[:, 0]], 1)
    curve = _flat_curve(f"{root.name}.{_kind(side, IRIS)}", _CIRCLE, np.stack([_CIRCLE - across, _CIRCLE + across], 1))
    curve.splines[0].use_cyclic_u = True
    guide = _child(root, _kind(side, IRIS), curve.name, curve, plane)
    guide.color = _COLOURS[IRIS]
    guide.location, guide.scale = (iris[0], -iris[1], 0.0), (iris[2], iris[2], 1.0)
    _lock(guide, (False, False, True), (False, False, True))


def _flat_curve(name: str, points: np.ndarray, handles: np.ndarray) -> bpy.types.Curve:
    """Return a curve that stays in its plane, through points (N, 2) with handles (N, 2, 2), both x right and y down."""
    curve = bpy.data.curves.new(name, "CURVE")
    curve.dimensions, curve.fill_mode, curve.resolution_u = "2D", "NONE", 24
    spline = curve.splines.new("BEZIER")
    spline.bezier_points.add(len(points) - 1)
    for point, at, (before, after) in zip(spline.bezier_points, points, handles, strict=True):
        point.handle_left_type = point.handle_right_type = "FREE"
        point.co, point.handle_left, point.handle_right = ((x, -y, 0.0) for x, y in (at, before, after))
    return curve


def _show_photo(root: bpy.types.Object, camera: bpy.types.Object, path: Path, source: SourceCamera, crop: Crop, away_m: float) -> None:
    image = bpy.data.images.load(str(path))
    image.name = f"{root.name}.photo"
    plane = _child(root, PHOTO_PLANE, f"{root.name}.photo", None, camera)
    plane.empty_display_type = "IMAGE"
    plane.data = image
    plane.empty_display_size = max(source.width, source.height) / crop.scale
    plane.empty_image_offset = (0.0, -1.0)
    plane.matrix_basis = photo_plane(source, crop, away_m) @ Matrix.Translation((crop.left_px, -crop.top_px, 0.0))
    plane.hide_select = True
    _lock(plane, (True,) * 3, (True,) * 3)


def _child(root: bpy.types.Object, kind: str, name: str, data: bpy.types.Curve | None, parent: bpy.types.Object) -> bpy.types.Object:
    child = bpy.data.objects.new(name, data)
    for collection in root.users_collection[:1]:
        collection.objects.link(child)
    child.parent = parent
    child.hide_render, child.show_in_front = True, data is not None
    store.tag_part(child, kind)
    return child


def _lock(part: bpy.types.Object, location: tuple[bool, ...], scale: tuple[bool, ...]) -> None:
    part.lock_location, part.lock_scale, part.lock_rotation = location, scale, (True,) * 3
