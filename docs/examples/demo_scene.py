# SPDX-License-Identifier: GPL-3.0-or-later
"""From a reconstructed portrait to a rendered clip, without a window: what ``python3 dev.py demo`` runs in Blender's Python.

    python docs/examples/demo_scene.py --portrait FOLDER --out FOLDER [--frames 72] [--engine gazesplat]

The Python needs the ``bpy`` module. Written to --out: portrait.blend, frames/, clip.mp4, contact_sheet.png, eyes_2x.png.
"""
from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import bpy
import demo_camera
import demo_clip
import demo_motion
from mathutils import Color

ROOT = Path(__file__).resolve().parents[2]
OWN_ENGINE = "gazesplat"
BACKGROUND = (0.30, 0.32, 0.35)   # display values
SHEET_FRAMES, SHEET_COLUMNS = 12, 4
TELL_EVERY = 12

# Where this script speaks, whatever happens to Blender's own output.
_said_to = os.dup(1)


def run(make: Callable[[argparse.Namespace, Path], None], asked: argparse.Namespace) -> None:
    """Make something into the folder asked.out and end; Blender's own chatter is kept out of the way."""
    out = asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with blender_talks_to(out / "blender.log"):
        make(asked, out)
    (out / "blender.log").unlink()
    # Everything is on disk. Blender 4.5's module can wait for one of its own threads for ever while it is torn down.
    sys.stdout.flush()
    os._exit(0)


def staged(gs: ModuleType, asked: argparse.Namespace) -> tuple[bpy.types.Scene, object]:
    """Return a new scene and the portrait in it, before a camera that it looks into."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    portrait = gs.load(asked.portrait.absolute(), name="Portrait")
    set_up_scene(scene, asked)
    scene.camera = demo_camera.head_camera(portrait, scene)
    portrait.look_at(scene.camera)
    return scene, portrait


def show_own_engine(portrait: object, scene: bpy.types.Scene) -> None:
    """Let our own engine render. Its world colour is scene-linear, as in Blender at large; the exact-colour set-up takes display values."""
    portrait.setup_render(engine=OWN_ENGINE)
    scene.render.film_transparent = False
    set_background(scene, tuple(Color(BACKGROUND).from_srgb_to_scene_linear()))


def make(asked: argparse.Namespace, out: Path) -> None:
    """Run the steps, each with its time."""
    with step("extension"):
        gs = installed_extension(asked.package.absolute()) if asked.package else checkout()
    with step("import and rig"):
        scene, portrait = staged(gs, asked)
    with step("motion"):
        demo_motion.direct(portrait, start_frame=1, frame_count=asked.frames, fps=asked.fps)
    with step("render set-up"):
        # The .blend must render where GazeSplat is not installed, so it is saved for one of Blender's own engines.
        for change in portrait.setup_render(engine="eevee" if asked.engine == OWN_ENGINE else asked.engine):
            say(f"    {change}")
        scene.render.film_transparent = False
    blend = out / "portrait.blend"
    with step("save"):
        bpy.ops.file.pack_all()
        part = blend.with_name("portrait.part.blend")
        bpy.ops.wm.save_as_mainfile(filepath=str(part), compress=True, copy=True, check_existing=False)
        part.replace(blend)
    if asked.engine == OWN_ENGINE:
        show_own_engine(portrait, scene)
    with step(f"{asked.frames} frames, {asked.size} x {asked.size}, {asked.engine}"):
        if sys.platform == "linux" and asked.engine == "eevee":
            say("    (lines about EGL_BAD_MATCH are harmless: Blender looks for a window first)")
        frames = render(scene, out / "frames")
    with step("clip and contact sheet"):
        demo_clip.encode(frames, out / "clip.mp4", fps=asked.fps)
        chosen = [frames[round(i * (len(frames) - 1) / (SHEET_FRAMES - 1))] for i in range(SHEET_FRAMES)]
        demo_clip.contact_sheet(chosen, out / "contact_sheet.png", columns=SHEET_COLUMNS)
        box = demo_camera.eye_box_px(portrait, scene)
        demo_clip.enlarged_crops([frames[i] for i in demo_motion.eye_frames(len(frames))], out / "eyes_2x.png", box=box)


def checkout() -> ModuleType:
    """Return the extension as it lies in this source checkout."""
    spec = importlib.util.spec_from_file_location("gazesplat", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["gazesplat"] = package
    spec.loader.exec_module(package)
    # An installed extension registers itself; from a checkout the render engine alone is enough.
    importlib.import_module("gazesplat.gazesplat_addon.engine").register()
    return package


def installed_extension(archive: Path) -> ModuleType:
    """Install the extension's zip in this profile and return it: BLENDER_USER_RESOURCES should name an empty folder."""
    bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
    return importlib.import_module("bl_ext.user_default.gazesplat")


def set_up_scene(scene: bpy.types.Scene, asked: argparse.Namespace) -> None:
    """Set size, rate, range and a plain background."""
    scene.render.resolution_x = scene.render.resolution_y = asked.size
    scene.render.resolution_percentage = 100
    scene.render.fps, scene.render.fps_base = asked.fps, 1.0
    scene.frame_start, scene.frame_end = 1, asked.frames
    world = bpy.data.worlds.new("Background")
    if world.node_tree is None:
        world.use_nodes = True
    scene.world = world
    set_background(scene, BACKGROUND)


def set_background(scene: bpy.types.Scene, colour: tuple[float, float, float]) -> None:
    """Set the world's colour."""
    background = next(node for node in scene.world.node_tree.nodes if node.bl_idname == "ShaderNodeBackground")
    background.inputs["Color"].default_value = (*colour, 1.0)


def render(scene: bpy.types.Scene, folder: Path) -> list[Path]:
    """Render the scene's range as 8-bit PNGs and return them in order."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    output = scene.render.image_settings
    output.file_format, output.color_mode, output.color_depth = "PNG", "RGB", "8"
    frames = []
    for frame in range(scene.frame_start, scene.frame_end + 1):
        scene.frame_set(frame)
        path = folder / f"{frame:04d}.png"
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True, scene=scene.name)
        frames.append(path)
        if frame % TELL_EVERY == 0 or frame == scene.frame_end:
            say(f"    frame {frame} of {scene.frame_end}")
    return frames


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    say(f"  {name} ...")
    started = time.monotonic()
    yield
    say(f"  {name}: {time.monotonic() - started:.1f} s")


def say(text: str) -> None:
    """Print a line at once, past what Blender itself says."""
    os.write(_said_to, (text + "\n").encode())


@contextmanager
def blender_talks_to(log: Path) -> Iterator[None]:
    """Send what Blender prints, several lines a frame, to a file; it stays where the demo fails."""
    sys.stdout.flush()
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(_said_to, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portrait", type=Path, required=True, metavar="FOLDER", help="the folder with portrait.ply and its sidecar files")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels")
    parser.add_argument("--fps", type=int, default=24)
    parser.add_argument("--engine", choices=(OWN_ENGINE, "eevee", "cycles"), default=OWN_ENGINE)
    parser.add_argument("--package", type=Path, metavar="ZIP", help="install and use this zip; default: the checkout itself")
    return parser.parse_args()


if __name__ == "__main__":
    run(make, _arguments())
