# SPDX-License-Identifier: GPL-3.0-or-later
"""What the farm doctor looks at in the file as a whole: drivers, scripts, files outside, its size and Blender's version."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import bpy

from .. import compat
from .finding import FarmFinding

# Ours: uploads beyond this take longer than most shots render.
LARGE_FILE_BYTES = 500 * 1024**2
_NAMED_AT_MOST = 5
# Data-blocks whose file can move into the .blend. Films and numbered pictures cannot.
_PACKABLE = (bpy.types.Image, bpy.types.VectorFont, bpy.types.Sound)


def findings(scene: bpy.types.Scene) -> list[FarmFinding]:
    """Return what the file says about itself."""
    return [_simple_drivers(), _working_drivers(), _scripts(), _missing_files(), *_outside_files(), _unsaved_pictures(), _size(),
            _made_by(), *_colour_configuration()]


def drivers() -> Iterator[tuple[bpy.types.ID, bpy.types.FCurve]]:
    """Yield every driver of the file and the data-block that it drives."""
    for block in _blocks():
        for owner in (block, getattr(block, "node_tree", None)):
            animation = getattr(owner, "animation_data", None)
            for curve in animation.drivers if animation is not None else ():
                yield block, curve


def _blocks() -> Iterator[bpy.types.ID]:
    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION":
            yield from getattr(bpy.data, prop.identifier)


def _simple_drivers() -> FarmFinding:
    python = [f"{owner.name}: {curve.driver.expression}" for owner, curve in drivers()
              if curve.driver.type == "SCRIPTED" and not curve.driver.is_simple_expression]
    if python:
        return FarmFinding("drivers", False, f"{len(python)} drivers need Python, which farms switch off: {_named(python)}.",
                           "Write them with + - * /, clamp, min, max, sin and the like only, or bake them to keys.")
    return FarmFinding("drivers", True, "All drivers are simple expressions: no Python is needed.")


def _working_drivers() -> FarmFinding:
    broken = [f"{owner.name} {curve.data_path}" for owner, curve in drivers() if not curve.is_valid or not curve.driver.is_valid]
    if broken:
        return FarmFinding("drivers-broken", False, f"{len(broken)} drivers do nothing: {_named(broken)}.",
                           "Open the Drivers Editor and mend or remove them.")
    return FarmFinding("drivers-broken", True, "All drivers work.")


def _scripts() -> FarmFinding:
    registered = [text.name for text in bpy.data.texts if text.use_module]
    if registered:
        return FarmFinding("scripts", False, f"Scripts that farms do not run are registered: {_named(registered)}.",
                           "Switch off Register in the Text Editor, and bake what they do.", lambda: _unregister(registered))
    return FarmFinding("scripts", True, "No script runs when the file is opened.")


def _unregister(names: list[str]) -> list[str]:
    for name in names:
        bpy.data.texts[name].use_module = False
    return [f"{name}: no longer run on load" for name in names]


def _outside() -> Iterator[tuple[bpy.types.ID, Path]]:
    """Yield data-blocks in use whose content lies in files, and those files. Texts are whole in the .blend."""
    for block, paths in bpy.data.file_path_map(include_libraries=True).items():
        if isinstance(block, bpy.types.Text) or block.users == 0 or getattr(block, "packed_file", None) is not None:
            continue
        base = block.library.filepath if block.library is not None else None
        for path in paths:
            yield block, Path(bpy.path.abspath(path, start=str(Path(bpy.path.abspath(base)).parent) if base else None))


def _missing_files() -> FarmFinding:
    missing = sorted({f"{path} ({block.name})" for block, path in _outside() if not path.exists()})
    if missing:
        return FarmFinding("missing-files", False, f"{len(missing)} files are missing: {_named(missing)}.",
                           "Find them (File > External Data > Find Missing Files), or remove what uses them.")
    return FarmFinding("missing-files", True, "No file is missing.")


def _outside_files() -> Iterator[FarmFinding]:
    there = [(block, path) for block, path in _outside() if path.exists()]
    loose = [(block, path) for block, path in there if _can_be_packed(block)]
    other = [(block, path) for block, path in there if not _can_be_packed(block)]
    if loose:
        yield FarmFinding("outside-files", False, f"{len(loose)} files lie outside the .blend: {_named([p.name for _, p in loose])}.",
                          "Pack them (File > External Data > Pack Resources).", lambda: _pack([block for block, _ in loose]))
    else:
        yield FarmFinding("outside-files", True, "Everything that can be packed is inside the .blend.")
    if other:
        yield FarmFinding("outside-data", None, f"These cannot be packed: {_named([str(path) for _, path in other])}.",
                          "Make linked data local, or send the files along.")


def _can_be_packed(block: bpy.types.ID) -> bool:
    if block.library is not None or not isinstance(block, _PACKABLE):
        return False
    return not isinstance(block, bpy.types.Image) or block.source in ("FILE", "TILED")


def _pack(blocks: list[bpy.types.ID]) -> list[str]:
    for block in blocks:
        block.pack()
    return [f"{block.name}: packed" for block in blocks]


def _unsaved_pictures() -> FarmFinding:
    unsaved = [image for image in bpy.data.images if image.is_dirty and image.users and image.packed_file is None
               and image.source in ("FILE", "GENERATED") and image.library is None]
    if unsaved:
        return FarmFinding("unsaved-pictures", False, f"Painted pictures are saved nowhere: {_named([one.name for one in unsaved])}.",
                           "Pack them.", lambda: _pack(unsaved))
    return FarmFinding("unsaved-pictures", True, "No painted picture is unsaved.")


def _size() -> FarmFinding:
    path = Path(bpy.data.filepath)
    if not bpy.data.filepath or not path.is_file():
        return FarmFinding("size", None, "The file was never saved, so there is nothing to send.", "Save it.")
    size, told = path.stat().st_size, f"The file has {path.stat().st_size / 1e6:.1f} MB"
    if size > LARGE_FILE_BYTES:
        return FarmFinding("size", None, f"{told}.", "Save it compressed, and thin the splats out where nobody sees them.")
    return FarmFinding("size", True, f"{told}.")


def _made_by() -> FarmFinding:
    oldest = compat.OLDEST_FOR_ITS_FILES
    return FarmFinding("version", None, f"Saved by this Blender, the file renders in Blender {oldest} and newer.",
                       "" if oldest == compat.FLOOR else f"For Blender {compat.FLOOR}, open and save it there with GazeSplat once.")


def _colour_configuration() -> Iterator[FarmFinding]:
    configuration = os.environ.get("OCIO")
    if configuration:
        yield FarmFinding("colour-configuration", None, f"This Blender takes its colours from {configuration}.",
                          "The farm needs the same configuration, or none on both sides.")


def _named(names: list[str]) -> str:
    rest = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")
