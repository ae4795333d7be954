# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait as posed, written as a splat file or as a sequence of them, one a frame."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy

from ..backend.contract.errors import GazeSplatError
from ..backend.contract.refusals import explain_os_error
from .scene import store
from .scene.stills import StillSource
from .splat.files import check_format, write_splats

MAX_FRAMES = 100_000
_HASHES = re.compile("#+")


@dataclass(frozen=True)
class Exported:
    """One file that has been written, and how many of how many that makes."""

    path: Path
    done: int
    total: int


def steps(root: bpy.types.Object, scene: bpy.types.Scene, path: Path, frames: range | None) -> Iterator[Exported]:
    """Write one file a frame (the current one for None) and yield after each; the scene's frame is then as it was.

    Whoever stops asking stops the export: every file written so far is whole, for each appears under its name when it is complete.
    Raises GazeSplatError ``bad-format``, ``bad-value``, ``no-folder``, ``own-file``, ``hidden``, ``no-permission``, ``disk-full`` and
    what reading splats raises.
    """
    check_format(path)
    if frames is not None and not 0 < len(frames) <= MAX_FRAMES:
        raise GazeSplatError("bad-value", f"There are no frames from {frames.start} to {frames.stop - 1}.", "End at or after the start.")
    if not path.parent.is_dir():
        raise GazeSplatError("no-folder", f"There is no folder {path.parent}.", "Make it, or choose another.")
    own = Path(bpy.path.abspath(root[store.ROOT_KEY]["folder"])) / root[store.ROOT_KEY]["file"]
    if own.exists() and path.exists() and own.samefile(path):
        raise GazeSplatError("own-file", f"{path.name} is the file that {root.name} was loaded from.", "Choose another name.")
    carrier = store.parts_of(root).get(store.SPLATS)
    if carrier is None:
        raise GazeSplatError("part-deleted", f"{root.name} has no splats any more.", "Undo, or delete the portrait and load it again.")
    return _steps(root, carrier, scene, path, frames)


def _steps(root: bpy.types.Object, carrier: bpy.types.Object, scene: bpy.types.Scene, path: Path,
           frames: range | None) -> Iterator[Exported]:
    layer = next((one for one in scene.view_layers if carrier.name in one.objects), scene.view_layers[0])
    layer.update()
    source = StillSource(carrier, layer)
    before = scene.frame_current, scene.frame_subframe
    try:
        for done, frame in enumerate(frames if frames is not None else [None], 1):
            if frame is not None:
                scene.frame_set(frame)
            target = path if frames is None else frame_path(path, frame, numbered=len(frames) > 1)
            _write(target, source, comments(root, scene))
            yield Exported(target, done, len(frames) if frames is not None else 1)
    finally:
        if (scene.frame_current, scene.frame_subframe) != before:
            scene.frame_set(before[0], subframe=before[1])


def frame_path(path: Path, frame: int, *, numbered: bool) -> Path:
    """Return the path of one frame: its number stands for the #s of the name; a sequence without any gets ``_0001`` at its end."""
    if _HASHES.search(path.stem):
        last = list(_HASHES.finditer(path.stem))[-1]
        stem = path.stem[:last.start()] + f"{frame:0{len(last.group())}d}" + path.stem[last.end():]
    else:
        stem = f"{path.stem}_{frame:04d}" if numbered else path.stem
    return path.with_name(stem + path.suffix)


def comments(root: bpy.types.Object, scene: bpy.types.Scene) -> list[str]:
    """Return the header lines that say where a file comes from, whose face it shows and what that asks of its reader."""
    provenance = store.provenance_of(root)
    lines = [f"GazeSplat: {root.name} as posed at frame {scene.frame_current} of {scene.name}"]
    lines += [f"{name}: {value}" for name, value in sorted(provenance.items()) if isinstance(value, (str, int, float)) and value != ""]
    if root[store.ROOT_KEY]["rigged"] and not provenance.get("consent"):
        lines.append("consent: not recorded; this is a real person's face, ask before you show or change it")
    return lines


def _write(target: Path, source: StillSource, lines: list[str]) -> None:
    try:
        write_splats(target, source.freeze(), lines)
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
