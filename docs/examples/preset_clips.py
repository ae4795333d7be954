# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip of every motion preset, and what a frame-by-frame look needs: eyes through a blink and through the largest dart.

    python docs/examples/preset_clips.py --portrait FOLDER --out FOLDER [--seconds 10] [--size 384]

The Python needs the ``bpy`` module, and the backend must be set up. Written to --out: <preset>.mp4, <preset>.txt (the motion
check), presets.jpg (a row a preset: eight frames through a blink; below, six through a dart and four evenly over the clip).
"""
from __future__ import annotations

import argparse
from pathlib import Path

import bpy
import demo_camera
import demo_clip
import numpy as np
from demo_scene import checkout, render, run, say, show_own_engine, staged, step

FPS, SEED = 24, 7
BLINK_FRAMES, DART_FRAMES, EVEN_FRAMES = 8, 6, 4


def make(asked: argparse.Namespace, out: Path) -> None:
    """Render every preset and the sheet."""
    asked.fps, asked.frames = FPS, round(asked.seconds * FPS)
    gs = checkout()
    scene, portrait = staged(gs, asked)
    show_own_engine(portrait, scene)
    scene.render.use_motion_blur = asked.motion_blur
    rows = []
    for name in gs.motion_presets():
        with step(name):
            portrait.clear()
            portrait.animate(name, seed=SEED)
            checked = portrait.check_motion()
            (out / f"{name}.txt").write_text(checked.text + "\n", "utf-8")
            frames = sorted((out / name).glob("*.png"))
            if not asked.resume or len(frames) != scene.frame_end:
                frames = render(scene, out / name)
            demo_clip.encode(frames, out / f"{name}.mp4", fps=FPS)
            say("    " + checked.text.splitlines()[0])
            rows.append([frames[number - 1] for number in telling_frames(portrait, scene)])
    sheet(rows, demo_camera.eye_box_px(portrait, scene), out / "presets.jpg")


def telling_frames(portrait, scene: bpy.types.Scene) -> list[int]:
    """Return frames in order: through the deepest blink, through the largest dart, and evenly over the clip."""
    frames = np.arange(scene.frame_start, scene.frame_end + 1)
    channels = {name: np.zeros(len(frames)) for name in ("life_gaze_yaw", "life_gaze_pitch", "life_blink_left")}
    for i, frame in enumerate(frames):
        scene.frame_set(int(frame))
        for name in channels:
            channels[name][i] = portrait.root[name]
    inner = slice(BLINK_FRAMES, -BLINK_FRAMES)
    shut = int(frames[inner][np.argmax(channels["life_blink_left"][inner])])
    step_deg = np.hypot(np.diff(channels["life_gaze_yaw"]), np.diff(channels["life_gaze_pitch"]))
    dart = int(frames[:-1][inner][np.argmax(step_deg[inner])])
    return [*range(shut - 3, shut - 3 + BLINK_FRAMES), *range(dart - 1, dart - 1 + DART_FRAMES),
            *(int(v) for v in np.linspace(frames[0], frames[-1], EVEN_FRAMES + 2)[1:-1])]


def sheet(rows: list[list[Path]], box: tuple[int, int, int, int], path: Path) -> None:
    """Write the eyes of every frame: a row a preset through its blink, and below, a row a preset through its dart and over the clip."""
    left, top, right, bottom = box
    blocks = [[np.concatenate([demo_clip.read(frame)[top:bottom, left:right] for frame in row[part]], axis=1) for row in rows]
              for part in (slice(None, BLINK_FRAMES), slice(BLINK_FRAMES, None))]
    width = max(block[0].shape[1] for block in blocks)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for block in blocks for row in block]
    demo_clip.write(np.concatenate(padded), path, quality=80)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portrait", type=Path, required=True, metavar="FOLDER", help="the folder with portrait.ply and its sidecar files")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=384, help="width and height in pixels")
    parser.add_argument("--resume", action="store_true", help="keep the frames of presets that an earlier run has finished")
    parser.add_argument("--motion-blur", action="store_true", help="with the shutter open for half a frame; several samples a frame")
    return parser.parse_args()


if __name__ == "__main__":
    run(make, _arguments())
