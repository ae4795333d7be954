# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person has at a Blender window: eyes, a mouse and keys. For scripts inside a Blender on a virtual screen.

Generators yield the seconds that Blender's event loop shall have. The screen is read from the frame buffer file of
the virtual X server (an XWD file), which GUI_BLENDER_FB names: Blender's own screenshots are black with software OpenGL.
"""
from __future__ import annotations

import os
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy
import numpy as np

PAUSE_S = 0.12
ATTEMPTS = 3
LEAST_ROWS = 300


def window() -> bpy.types.Window:
    """Return the only window."""
    return bpy.context.window_manager.windows[0]


def area(kind: str = "VIEW_3D") -> bpy.types.Area:
    """Return the largest area of a kind."""
    return max((one for one in window().screen.areas if one.type == kind), key=lambda one: one.width * one.height)


def region(kind: str = "UI", of: bpy.types.Area | None = None) -> bpy.types.Region:
    """Return a region of an area: UI is the sidebar, WINDOW the middle."""
    return next(one for one in (of or area()).regions if one.type == kind)


def middle(of: bpy.types.Region) -> tuple[int, int]:
    """Return where the middle of a region is in the window."""
    return of.x + of.width // 2, of.y + of.height // 2


def redraw() -> None:
    """Draw everything now."""
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)


def pixels(of: bpy.types.Region | bpy.types.Area) -> np.ndarray:
    """Return what is seen of a region or an area, (H, W, 3) uint8, top row first."""
    raw = Path(os.environ["GUI_BLENDER_FB"]).read_bytes()
    head = np.frombuffer(raw, ">u4", 25)
    width, height, order, row, colours = (int(head[k]) for k in (4, 5, 7, 12, 19))
    rows = np.frombuffer(raw, np.uint8, row * height, int(head[0]) + 12 * colours).reshape(height, row)
    whole = rows[:, :4 * width].reshape(height, width, 4)
    whole = whole[..., [2, 1, 0]] if order == 0 else whole[..., 1:]
    top = window().height - of.y - of.height
    return whole[top:top + of.height, of.x:of.x + of.width]


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture (H, W, 3) uint8."""
    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + line.tobytes() for line in picture)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks))


def used_rows(picture: np.ndarray) -> int:
    """Return where the last panel ends: below it, rows are of one colour from side to side."""
    inner = picture[:-12, 12:-50].astype(int)    # without round corners, scroll bar and tabs
    used = np.flatnonzero(np.abs(inner - inner[-1, :1]).max(axis=(1, 2)) > 3)
    return int(used[-1]) + 1 if len(used) else 0


def cropped(picture: np.ndarray) -> np.ndarray:
    """Leave out the rows below the last panel, but show the tab's name."""
    return picture[:min(len(picture), max(LEAST_ROWS, used_rows(picture) + 10))]


def _event(kind: str, value: str, x: int, y: int, **held: bool | str) -> None:
    window().event_simulate(type=kind, value=value, x=x, y=y, **held)


def move(x: int, y: int) -> Iterator[float]:
    """Move the mouse; x and y from the window's bottom left."""
    _event("MOUSEMOVE", "NOTHING", x, y)
    yield PAUSE_S


def click(x: int, y: int) -> Iterator[float]:
    """Move there and click."""
    yield from move(x - 1, y)
    yield from move(x, y)
    for value in ("PRESS", "RELEASE"):
        _event("LEFTMOUSE", value, x, y)
        yield PAUSE_S
    yield PAUSE_S


def key(name: str, x: int, y: int, **held: bool | str) -> Iterator[float]:
    """Press a key while the mouse is there, with ``ctrl``, ``shift`` or ``alt`` held; ``unicode`` is what it types."""
    yield from move(x, y)
    _event(name, "PRESS", x, y, **held)
    yield PAUSE_S
    _event(name, "RELEASE", x, y, **{name: value for name, value in held.items() if name != "unicode"})
    yield PAUSE_S


def drag(x: int, y: int, to_x: int) -> Iterator[float]:
    """Drag sideways."""
    yield from move(x, y)
    _event("LEFTMOUSE", "PRESS", x, y)
    yield PAUSE_S
    for step in range(1, 6):
        yield from move(x + (to_x - x) * step // 5, y)
    _event("LEFTMOUSE", "RELEASE", to_x, y)
    yield 2 * PAUSE_S


def drop(path: Path, limit_s: float = 60.0) -> Iterator[float]:
    """Drop a file into the 3D view, as from a file manager."""
    view = region("WINDOW")
    place = view.x + view.width // 3, window().height - view.y - view.height // 2
    # Never wait for it: Blender must answer while it takes the file.
    dropped = subprocess.Popen(["python3", str(Path(__file__).with_name("x_drop.py")), *map(str, place), str(path)])
    yield from until(lambda: dropped.poll() is not None, limit_s)
    if dropped.returncode:
        raise RuntimeError(f"{path.name} was not taken")
    yield 4 * PAUSE_S


def until(met: Callable[[], bool], limit_s: float = 60.0) -> Iterator[float]:
    """Wait for something; TimeoutError when it does not come."""
    end = time.monotonic() + limit_s
    while not met():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        yield PAUSE_S


def under_mouse() -> str:
    """Return the Python call of the button under the mouse, as the right-click menu would copy it; "" for none."""
    bpy.context.window_manager.clipboard = ""
    with bpy.context.temp_override(window=window(), area=area(), region=region()):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
    return bpy.context.window_manager.clipboard


def path_under_mouse() -> str:
    """Return the data path of the field under the mouse, as the right-click menu would copy it; "" for none."""
    bpy.context.window_manager.clipboard = ""
    with bpy.context.temp_override(window=window(), area=area(), region=region()):
        if bpy.ops.ui.copy_data_path_button.poll():
            bpy.ops.ui.copy_data_path_button(full_path=True)
    return bpy.context.window_manager.clipboard


def press(call: str, share_x: float = 0.5, step_px: int = 13) -> Iterator[float]:
    """Find the sidebar's button with this Python call by moving down the sidebar, and click it."""
    for _ in range(ATTEMPTS):    # on a busy machine the sidebar may still show what was before
        redraw()
        side = region()
        x = side.x + int(share_x * side.width)
        for y in range(side.y + side.height - 12, side.y, -step_px):
            yield from move(x, y)
            if call not in under_mouse():
                continue
            redraw()    # what was found may be about to move
            yield from move(x + 1, y)
            if call in under_mouse():
                yield from click(x, y)
                return
    raise LookupError(f"no button of the sidebar calls {call}")
