# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a windowed Blender: an artist's first minutes, from the zip to a rendered picture.

Arguments after ``--``: the zip, a portrait's folder, a folder for pictures, a folder of wheels, a Python for the backend. Writes
``report.json`` to the pictures; the test test_first_minutes.py judges. Backend jobs are dummies, played by Blender's own
Python: they need nothing but its library.
"""
from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy

# isort: split
import addon_utils
from bpy_extras import view3d_utils

sys.path.insert(0, str(Path(__file__).parent))
import escapes
import session
from screen import area, cropped, drag, drop, key, middle, move, pixels, press, redraw, region, save_png, until, used_rows, window
from session import EXTENSION

ARCHIVE, PORTRAIT, OUT, WHEELS, PYTHON = map(Path, sys.argv[sys.argv.index("--") + 1:][:5])
SETTLE_S = 0.4
HEADER_PX = 24
NARROW_PX, USUAL_PX, WIDE_PX = 190, 300, 520
SHOWN_AT_PX = 480    # where the face is in the guide's picture of the window, from the top
STORY = [{"do": "stage", "name": "Reading the face"}, {"do": "progress", "fraction": 0.4, "text": "splat 4 of 10"},
         {"do": "sleep", "seconds": 60}]
report: dict = {"version": bpy.app.version_string}


class Listener:
    """Keeps what Python writes to stderr: an exception in a panel's draw() only prints its traceback."""

    def __init__(self, stream) -> None:
        self._stream, self.text = stream, ""

    def write(self, text: str) -> int:
        self.text += text
        return self._stream.write(text)

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


def room(name: str):
    """Import a module of the extension."""
    return importlib.import_module(f"{EXTENSION}.{name}")


def seen(name: str) -> Iterator[float]:
    """Save the sidebar as it is now, with the mouse out of the way."""
    view = region("WINDOW")
    yield from move(view.x + view.width // 3, view.y + view.height // 2)
    redraw()
    yield SETTLE_S
    redraw()
    save_png(OUT / f"{name}.png", cropped(pixels(region())))


def sidebar(width_px: int) -> Iterator[float]:
    """Open the tab GazeSplat at a width."""
    area().spaces.active.show_region_ui = True
    redraw()
    yield SETTLE_S
    region().active_panel_category = "GazeSplat"
    redraw()
    yield SETTLE_S
    side = region()
    yield from drag(side.x, side.y + side.height // 2, side.x + side.width - width_px)
    redraw()
    yield SETTLE_S


def install() -> Iterator[float]:
    """Drop the zip into the window and agree."""
    yield from drop(ARCHIVE)
    yield SETTLE_S
    view = region("WINDOW")
    yield from key("RET", view.x + view.width // 3, view.y + view.height // 2)
    yield from until(lambda: EXTENSION in bpy.context.preferences.addons, 30.0)
    report["enabled"] = EXTENSION in bpy.context.preferences.addons
    yield from sidebar(USUAL_PX)
    yield from seen("first_run")


def preferences() -> Iterator[float]:
    """The extension's page, in place of the 3D view."""
    place = area()
    place.type = "PREFERENCES"
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "gazesplat"
    with bpy.context.temp_override(window=window(), area=place):
        bpy.ops.preferences.addon_expand(module=EXTENSION)
    redraw()
    yield SETTLE_S
    save_png(OUT / "preferences.png", cropped(pixels(region("WINDOW", place))))
    place.type = "VIEW_3D"
    redraw()
    yield SETTLE_S


def set_up_backend() -> Iterator[float]:
    """Open the panel Backend, press its button, agree to the dialog: from a folder of wheels, without a network."""
    if not PYTHON.is_file():
        report["set_up"] = f"{PYTHON} is not seen from here"
        return
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.setup_python, chosen.wheel_folder = str(PYTHON), str(WHEELS)
    side = region()
    header = side.x + 60, side.y + side.height - used_rows(pixels(side)) + HEADER_PX // 2
    yield from key("A", *header)    # opens the panel under the mouse
    yield from press("gazesplat.setup_backend")
    yield SETTLE_S
    save_png(OUT / "set_up_dialog.png", pixels(region("WINDOW")))
    yield from key("RET", *header)
    live = room("gazesplat_addon.live_jobs")
    yield from until(lambda: bool(live.watched()), 10.0)
    yield from seen("set_up_running")
    yield from until(lambda: all(job.ended for job in live.watched()), 240.0)
    report["set_up"] = room("gazesplat_addon.backend_setup").state()
    yield from seen("set_up_done")
    bpy.ops.wm.read_homefile()    # panels that were opened are closed again
    yield SETTLE_S
    yield from sidebar(USUAL_PX)


def start_dummy(story: list) -> str:
    """Start a dummy job as Reconstruct starts a real one; return its id."""
    photo = OUT / "selfie.jpg"
    photo.write_bytes(b"the dummy does not look")
    job = room("gazesplat_addon.reconstruction").start(photo, kind="dummy", quality="draft", seed=0,
                                                          options={"story": story, "portrait": str(PORTRAIT)})
    room("gazesplat_addon.api").show_progress(job, when_done=room("operators.reconstruct").import_into_open_file)
    return job.id


def jobs() -> Iterator[float]:
    """Progress, cancelling by the button, a failure, success."""
    # Said for this process only, and only now: before, the tab has shown how it looks without a backend.
    os.environ["GAZESPLAT_BACKEND_PYTHON"] = sys.executable
    live = room("gazesplat_addon.live_jobs")
    name = start_dummy(STORY)
    job = live.find(name)
    yield from until(lambda: job.progress >= 0.4)
    yield from seen("job_running")
    yield from press("gazesplat.cancel_job", share_x=0.84)
    yield from until(lambda: job.ended)
    report["cancelled"] = job.state
    yield from press("gazesplat.remove_job", share_x=0.84)
    yield from until(lambda: not live.watched())
    escaped = live.find(start_dummy(STORY))
    yield from until(lambda: escaped.progress >= 0.4)
    yield from escapes.tried(escaped, room("operators.cancel_job"), report, OUT)
    yield from press("gazesplat.remove_job", share_x=0.84)
    failed = live.find(start_dummy([{"do": "fail", "code": "no-face", "message": "No face was found in this picture.",
                                    "hint": "Use a photo of one face, upright and from the front."}]))
    yield from until(lambda: failed.ended)
    yield from seen("job_failed")
    yield from press("gazesplat.remove_job", share_x=0.84)
    yield from dropped_files()
    for old in list(bpy.data.objects):
        bpy.data.objects.remove(old)
    with bpy.context.temp_override(window=window()):
        bpy.ops.ed.undo_push(message="Clear")
    start_dummy([{"do": "stage", "name": "Reading the face"}, {"do": "count", "steps": 3, "seconds": 0.6}])
    yield from until(lambda: bool(room("gazesplat_addon.api").portraits()))
    yield SETTLE_S
    report["imported"] = [one.name for one in room("gazesplat_addon.api").portraits()]
    yield from undone_and_redone()
    yield from seen("imported")


def undone_and_redone() -> Iterator[float]:
    """Ctrl-Z takes the finished portrait out and offers it again; Ctrl-Shift-Z brings it back."""
    api, live, there = room("gazesplat_addon.api"), room("gazesplat_addon.live_jobs"), middle(region("WINDOW"))
    yield from key("Z", *there, ctrl=True)
    yield from until(lambda: not api.portraits())
    report["offered_again"] = [job.imported for job in live.watched()]
    yield from seen("offered_again")
    yield from key("Z", *there, ctrl=True, shift=True)
    yield from until(lambda: bool(api.portraits()))
    report["redone"] = len(live.watched())


def dropped_files() -> Iterator[float]:
    """Blender asks what to do with a photo and R reconstructs, here without a backend that could end well; with a PLY, P is ours."""
    live, view = room("gazesplat_addon.live_jobs"), region("WINDOW")
    yield from drop(OUT / "selfie.jpg")
    yield from key("R", view.x + view.width // 3, view.y + view.height // 2)
    yield from until(lambda: bool(live.watched()), 20.0)
    report["dropped_photo"] = live.watched()[0].photo_name
    yield from until(lambda: live.watched()[0].ended, 60.0)
    yield from press("gazesplat.remove_job", share_x=0.84)
    yield from drop(PORTRAIT / "portrait.ply")
    yield from key("P", view.x + view.width // 3, view.y + view.height // 2)
    yield from until(lambda: bool(room("gazesplat_addon.api").portraits()), 30.0)
    report["dropped_ply"] = [one.rigged for one in room("gazesplat_addon.api").portraits()]


def eyes() -> Iterator[float]:
    """Look at the selected thing, then at the camera; keys from a preset."""
    portrait = room("gazesplat_addon.api").portraits()[0]
    candle = bpy.data.objects.new("Candle", None)
    candle.location = 0.3, -0.8, 0.1
    bpy.context.scene.collection.objects.link(candle)
    candle.select_set(True)
    before = portrait.eyes.left.now
    yield from press("gazesplat.look_at_object")
    yield SETTLE_S
    report["turned_deg"] = abs(portrait.eyes.left.now.yaw_deg - before.yaw_deg)
    yield from press("gazesplat.look_at_camera", share_x=0.25)
    yield from press("gazesplat.animate")
    yield SETTLE_S
    report["keys"] = {layer.name: layer.keys for layer in portrait.layers}
    yield from seen("animated")


def live() -> Iterator[float]:
    """Follow the mouse, record, keep, end."""
    portrait = room("gazesplat_addon.api").portraits()[0]
    portrait.clear()
    gaze = next(one for one in portrait.root.children if one.name.endswith(".gaze"))
    yield from press("gazesplat.live_follow(what='CURSOR'", share_x=0.25)
    view = region("WINDOW")
    x, y = view.x + 80, view.y + view.height // 2
    rest = portrait.eyes.left.now.yaw_deg
    yield from move(x, y)
    yield SETTLE_S
    yield from key("R", x, y)
    looked = []
    for step in range(6):
        yield from move(x + 60 * step, y)
        yield SETTLE_S / 2
        looked.append(portrait.eyes.left.now.yaw_deg)
    yield from key("R", x + 300, y)
    yield SETTLE_S
    yield from key("ESC", x + 300, y)
    yield SETTLE_S
    report["followed_deg"] = max(looked) - min(looked)
    report["rest_deg"] = rest
    report["recorded"] = gaze.animation_data is not None and gaze.animation_data.action is not None
    report["follow_ended"] = room("operators.live_follow").GAZESPLAT_OT_live_follow._running is None


def export_and_stop() -> Iterator[float]:
    """A sequence of files, stopped by Escape: what is there is whole, and no more comes."""
    view = region("WINDOW")
    with bpy.context.temp_override(window=window(), area=area(), region=view):
        bpy.ops.gazesplat.export_portrait("INVOKE_DEFAULT", filepath=str(OUT / "posed.ply"), sequence=True)
    yield from until(lambda: len(list(OUT.glob("posed*.ply"))) > 1)
    yield from key("ESC", view.x + view.width // 2, view.y + view.height // 2)
    yield SETTLE_S
    there = len(list(OUT.glob("posed*.ply")))
    yield 3 * SETTLE_S
    report["exported"], report["exported_later"] = there, len(list(OUT.glob("posed*"))) - there


def render() -> Iterator[float]:
    """Each engine's button in the panel, then F12. Ours needs a backend that is whole."""
    scene, report["engines"] = bpy.context.scene, {}
    scene.render.resolution_x = scene.render.resolution_y = 96
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    for name, share_x in (("cycles", 0.2), ("eevee", 0.5), ("gazesplat", 0.8)):
        if name == "gazesplat" and not PYTHON.is_file():
            continue
        if name == "gazesplat":
            os.environ["GAZESPLAT_BACKEND_PYTHON"] = str(PYTHON)
        yield from press(f"engine='{name}', colour_mode='exact'", share_x=share_x)
        yield from f12(OUT / f"rendered_{name}.png")
        report["engines"][name] = scene.render.engine
    os.environ["GAZESPLAT_BACKEND_PYTHON"] = sys.executable


def f12(path: Path) -> Iterator[float]:
    """Render in the window, save the picture, come back to the 3D view."""
    with bpy.context.temp_override(window=window(), area=area(), region=region("WINDOW")):
        bpy.ops.render.render("INVOKE_DEFAULT")
    yield SETTLE_S
    yield from until(lambda: not bpy.app.is_job_running("RENDER"), 180.0)
    bpy.data.images["Render Result"].save_render(str(path), scene=bpy.context.scene)
    view = region("WINDOW", max(window().screen.areas, key=lambda one: one.width * one.height))
    yield from key("ESC", view.x + view.width // 2, view.y + view.height // 2)
    yield SETTLE_S


def sample() -> Iterator[float]:
    """A stranger's way in Blender's start-up scene, cube and all: sample, eyes, motion, render, by the buttons that the tab points to."""
    bpy.ops.wm.read_homefile()
    yield SETTLE_S
    yield from sidebar(USUAL_PX)
    buttons = (("gazesplat.add_sample", 0.5), ("gazesplat.hide_enclosing", 0.5), ("gazesplat.look_through_photo", 0.5),
               ("gazesplat.look_at_camera", 0.25), ("gazesplat.animate", 0.5), ("engine='eevee', colour_mode='exact'", 0.5))
    for call, share_x in buttons:
        yield from press(call, share_x=share_x)
        yield SETTLE_S
    report["sample"] = [one.name for one in room("gazesplat_addon.api").portraits()]
    report["clicks"] = len(buttons) + 1    # and F12
    yield from show_at(SHOWN_AT_PX)
    save_png(OUT / "window.png", pixels(area()))
    bpy.context.scene.render.resolution_percentage = 25
    yield from f12(OUT / "rendered_sample.png")


def show_at(rows_px: int) -> Iterator[float]:
    """Move what the camera's view shows so far up: the window is as tall as all panels together, an artist's is not."""
    view, seen_in = region("WINDOW"), area().spaces.active.region_3d
    face = room("gazesplat_addon.api").portraits()[0].root.matrix_world.translation
    heights = []
    for offset in (0.0, -0.01):
        seen_in.view_camera_offset = 0.0, offset
        redraw()
        yield SETTLE_S
        heights.append(view3d_utils.location_3d_to_region_2d(view, seen_in, face).y)
    seen_in.view_camera_offset = 0.0, -0.01 * (view.height - rows_px - heights[0]) / (heights[1] - heights[0])
    redraw()
    yield 2 * SETTLE_S


def every_panel() -> Iterator[float]:
    """All panels open, at three widths. Which ones start closed is kept by the screen: hence a new file."""
    addon_utils.disable(EXTENSION)
    for panel in room("panels").CLASSES:
        panel.bl_options = set(getattr(panel, "bl_options", ())) - {"DEFAULT_CLOSED"}
    addon_utils.enable(EXTENSION)
    bpy.ops.wm.read_homefile()
    yield SETTLE_S
    for old in list(bpy.data.objects):
        bpy.data.objects.remove(old)
    yield from sidebar(USUAL_PX)
    yield from press("gazesplat.add_sample")
    for name, width_px in (("narrow", NARROW_PX), ("usual", USUAL_PX), ("wide", WIDE_PX)):
        yield from sidebar(width_px)
        report[f"{name}_px"] = region().width
        yield from seen(f"panels_{name}")
    yield from press("gazesplat.add_saccades")
    yield from press("gazesplat.add_blinks")
    (portrait,) = room("gazesplat_addon.api").portraits()
    report["one_by_one"] = {layer.name: layer.keys for layer in portrait.layers}


def steps() -> Iterator[float]:
    """Everything, in the order in which an artist meets it."""
    yield SETTLE_S
    for part in (install, preferences, set_up_backend, jobs, eyes, live, export_and_stop, render, sample, every_panel):
        report["part"] = part.__name__
        yield from part()
    report["done"] = True
    report["printed_tracebacks"] = sys.stderr.text.count("Traceback (most recent call last)")


sys.stderr = listener = Listener(sys.stderr)
bpy.context.preferences.view.render_display_type = "AREA"
bpy.context.preferences.system.use_region_overlap = False    # nothing of the scene behind the sidebar
session.drive(steps(), report, OUT / "report.json")
