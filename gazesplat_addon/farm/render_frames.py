# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a farm, in a Blender that never heard of GazeSplat: renders one chunk of frames. It travels inside the job.

    blender -b FILE -Y --python-exit-code 1 --python render_frames.py -- SCENE FIRST COUNT LAST FOLDER
"""
import sys
from pathlib import Path

import bpy


def main(name: str, first: str, count: str, last: str, folder: str) -> None:
    """Render frames FIRST to FIRST + COUNT - 1, none after LAST, as FOLDER/frame_0001.png and so on."""
    scene = bpy.data.scenes[name]
    frames = range(int(first), min(int(first) + int(count), int(last) + 1))
    settings = scene.render.image_settings
    if scene.render.is_movie_format:
        if hasattr(settings, "media_type"):  # from Blender 5.0 a still and a video are told apart first
            settings.media_type = "IMAGE"
        settings.file_format = "PNG"
    scene.render.use_file_extension, scene.render.use_overwrite, scene.render.use_placeholder = True, True, False
    Path(folder).mkdir(parents=True, exist_ok=True)
    for done, frame in enumerate(frames, start=1):
        scene.render.filepath = str(Path(folder) / "frame_")
        path = Path(scene.render.frame_path(frame=frame))
        part = path.with_name(f"part_{path.name}")
        scene.frame_set(frame)
        scene.render.filepath = str(part)
        bpy.ops.render.render(write_still=True, scene=scene.name)
        part.replace(path)  # a picture that is there is whole
        sys.stdout.write(f"openjd_progress: {100.0 * done / len(frames):.1f}\nopenjd_status: frame {frame}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1:])
