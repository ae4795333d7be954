# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait's files become objects of a scene, and objects become a scene that renders."""
from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.contract.consent import NOTES
from ...backend.contract.errors import GazeSplatError
from .. import compat
from ..rig.sidecar import PortraitRig, load_sidecar
from ..splat.arrays import Splats
from ..splat.files import read_splats
from ..splat.linear_refit import LinearRefit, load_refit, path_beside
from . import camera, colour, eye_rig, render_settings, splat_object, store
from .changes import Change, set_property

# The splats that a sidecar beside them describes; the smaller file is the bundled sample's.
PORTRAIT_NAMES, SIDECAR_NAME = ("portrait.ply", "portrait.spz"), "portrait.json"


@dataclass(frozen=True)
class PortraitFiles:
    """What lies in a portrait's folder; ``groups`` and ``rig`` are None for a plain splat, ``refit`` where none was made."""

    ply: Path
    splats: Splats
    groups: np.ndarray | None
    rig: PortraitRig | None
    refit: LinearRefit | None


def read_portrait(path: Path) -> PortraitFiles:
    """Read a PLY or SPZ, or the portrait.ply (or .spz) of a folder, with the sidecar beside it where there is one.

    Raises GazeSplatError ``no-file``, and what ``read_splats``, ``load_refit`` and ``load_sidecar`` raise.
    """
    path = Path(path)
    ply = path
    if path.is_dir():
        ply = next((path / name for name in PORTRAIT_NAMES if (path / name).is_file()), path / PORTRAIT_NAMES[0])
    if not ply.is_file():
        raise GazeSplatError("no-file", f"There is no file {ply}.", "Choose a portrait.ply, or the folder it lies in.")
    splats = read_splats(ply)
    refit = load_refit(path_beside(ply), splats)
    if ply.name not in PORTRAIT_NAMES or not (ply.parent / SIDECAR_NAME).is_file():
        return PortraitFiles(ply, splats, None, None, refit)
    rig, groups = load_sidecar(ply.parent, len(splats), splats.means)
    return PortraitFiles(ply, splats, groups, rig, refit)


def load_portrait(path: Path, *, name: str | None = None, scene: bpy.types.Scene | None = None) -> bpy.types.Object:
    """Bring a portrait, or any splat, into a scene (default: the current one) and return its root.

    Everything is read before anything is made, and if making fails nothing stays. A scene without a camera
    takes the photo's, and the photo's format.
    """
    files = read_portrait(path)
    scene = scene or bpy.context.scene
    name = name or _name_of(files)
    collection = store.new_collection(name, scene)
    with ExitStack() as undo:
        undo.callback(_discard, collection)
        root = bpy.data.objects.new(name, None)
        collection.objects.link(root)
        root.empty_display_size = 0.1
        _tag(root, files)
        _make_parts(root, files, collection)
        _suit_scene(root, scene)
        undo.pop_all()
    if scene.camera is None and store.CAMERA in store.parts_of(root):
        frame_photo(root, scene)
    return root


def reload_portrait(root: bpy.types.Object) -> None:
    """Read the files of a portrait again: splats, node tree and rig are made anew, animation and place stay.

    Raises GazeSplatError as ``read_portrait`` does, and ``rig-changed`` if the files no longer have the same eyes.
    """
    files = read_portrait(Path(bpy.path.abspath(root[store.ROOT_KEY]["folder"])) / root[store.ROOT_KEY]["file"])
    parts, eyes = store.parts_of(root), files.rig.eyes if files.rig is not None else {}
    if {side for side, kind in store.EYES.items() if kind in parts} != set(eyes):
        raise GazeSplatError("rig-changed", f"The files of {root.name} no longer have the same eyes.",
                             "Delete the portrait and load it again.")
    splat_object.replace_splats(store.part_of(root, store.SPLATS), files.splats, files.groups, files.rig, files.refit)
    if files.rig is not None:
        eye_rig.place_head(parts[store.HEAD], files.rig)
        eye_rig.place_below_head(parts[store.SPLATS], files.rig, Matrix())
        if eyes:
            eye_rig.place_eyes(root, files.rig)
        if store.CAMERA in parts:
            camera.set_photo_camera(parts[store.CAMERA], files.rig.camera)
    noted = {name: text for name, text in store.provenance_of(root).items() if name in NOTES and text}
    _tag(root, files)
    store.note(root, noted)    # the artist's, which the files lack where they could not be written


def set_up_render(root: bpy.types.Object, scene: bpy.types.Scene, *, engine: str | None = None,
                  colour_mode: str = colour.EXACT) -> list[Change]:
    """Set engine, light paths, samples and colour for the scene's splats, and return what was changed.

    ``engine`` is "CYCLES", "EEVEE" or None for the scene's own. A scene without a camera takes the photo's.
    Exact colour renders under the Standard view, in which every film format holds the fitted colours.
    """
    changes = render_settings.prepare_render(scene, engine=engine)
    if colour_mode == colour.EXACT:
        changes += colour.use_exact_colour(scene, view="Standard")
    else:
        changes += colour.use_scene_linear_colour(scene)
    if scene.camera is None and store.CAMERA in store.parts_of(root):
        changes += frame_photo(root, scene)
    return changes


def frame_photo(root: bpy.types.Object, scene: bpy.types.Scene) -> list[Change]:
    """Look through the photo's camera in the photo's format, and return what was changed."""
    photo_camera = store.part_of(root, store.CAMERA)
    width, height, pixel_shape = camera.photo_frame(photo_camera)
    render = scene.render
    changes = [
        set_property(scene, "camera", photo_camera, "Scene > Camera"),
        set_property(render, "resolution_x", width, "Format > Resolution X"),
        set_property(render, "resolution_y", height, "Format > Resolution Y"),
        set_property(render, "resolution_percentage", 100, "Format > Resolution %"),
        set_property(render, "pixel_aspect_x", max(1.0, 1.0 / pixel_shape), "Format > Aspect X"),
        set_property(render, "pixel_aspect_y", max(1.0, pixel_shape), "Format > Aspect Y"),
    ]
    return [change for change in changes if change is not None]


def _make_parts(root: bpy.types.Object, files: PortraitFiles, collection: bpy.types.Collection) -> None:
    carrier = splat_object.create_splat_object(f"{root.name}.splats", files.splats, files.groups, files.rig, refit=files.refit,
                                               collection=collection)
    store.tag_part(carrier, store.SPLATS)
    if files.rig is None:
        carrier.parent = root
        return
    head = eye_rig.create_head(root, files.rig, collection=collection)
    carrier.parent = head
    eye_rig.place_below_head(carrier, files.rig, Matrix())
    if files.rig.eyes:
        eye_rig.create_eyes(root, head, files.rig, collection=collection)
    photo_camera = camera.create_photo_camera(f"{root.name}.camera", files.rig.camera, collection=collection)
    photo_camera.parent = root
    store.tag_part(photo_camera, store.CAMERA)


def _suit_scene(root: bpy.types.Object, scene: bpy.types.Scene) -> None:
    """Show the splats as the scene is set up: untouched scenes get colours and an order that need no set-up."""
    modifier = store.display_modifier(root)
    compat.set_modifier_input(modifier, "Scene Linear", not colour.decodes(scene))
    compat.set_modifier_input(modifier, "Sort", scene.render.engine != "CYCLES")


def _discard(collection: bpy.types.Collection) -> None:
    store.remove_objects(list(collection.objects))
    bpy.data.collections.remove(collection)


def _tag(root: bpy.types.Object, files: PortraitFiles) -> None:
    rig = files.rig
    store.tag_root(root, path=files.ply, rigged=bool(rig is not None and rig.eyes), provenance=rig.provenance if rig is not None else {})


def _name_of(files: PortraitFiles) -> str:
    """Return the photo's name, else the file's, else the folder's where the file is just called portrait.ply."""
    source = files.rig.provenance.get("source") if files.rig is not None else None
    if isinstance(source, str) and source:
        return Path(source).stem
    return files.ply.stem if files.ply.name not in PORTRAIT_NAMES else files.ply.parent.name or "Portrait"
