# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a farm, in a Blender that never heard of GazeSplat: frames become a film. It travels inside the job.

    blender -b FILE -Y --python-exit-code 1 --python encode_video.py -- SCENE FIRST LAST FOLDER VIDEO
"""
import sys
from pathlib import Path

import bpy

_VIEW = ("view_transform", "look", "exposure", "gamma")


def main(name: str, first: str, last: str, folder: str, video: str) -> None:
    """Write FOLDER/frame_* as the H.264 film FOLDER/VIDEO at the scene's frame rate; fail where a frame is missing."""
    source, scene = bpy.data.scenes[name], bpy.data.scenes.new("Encode")
    source.render.filepath = str(Path(folder) / "frame_")
    if source.render.is_movie_format:
        if hasattr(source.render.image_settings, "media_type"):
            source.render.image_settings.media_type = "IMAGE"
        source.render.image_settings.file_format = "PNG"
    source.render.use_file_extension = True
    frames = [Path(source.render.frame_path(frame=frame)) for frame in range(int(first), int(last) + 1)]
    missing = [frame.name for frame in frames if not frame.is_file()]
    if missing:
        raise SystemExit(f"{len(missing)} frames are missing, the first is {missing[0]}: render them again.")
    scene.view_settings.view_transform = "Standard"
    scene.sequencer_colorspace_settings.name = "sRGB"
    if frames[0].suffix == ".exr":  # light, not display values: the film is seen as the scene is
        scene.sequencer_colorspace_settings.name = "Linear Rec.709"
        for field in _VIEW:
            setattr(scene.view_settings, field, getattr(source.view_settings, field))
    picture = bpy.data.images.load(str(frames[0]))
    width, height = picture.size
    strip = scene.sequence_editor_create().strips.new_image("Frames", str(frames[0]), channel=1, frame_start=1)
    for frame in frames[1:]:
        strip.elements.append(frame.name)
    strip.frame_final_duration = len(frames)
    render = scene.render
    # H.264 takes even sizes only.
    render.resolution_x, render.resolution_y, render.resolution_percentage = width - width % 2, height - height % 2, 100
    render.fps, render.fps_base = source.render.fps, source.render.fps_base
    scene.frame_start, scene.frame_end = 1, len(frames)
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format, render.image_settings.color_mode = "FFMPEG", "RGB"
    render.ffmpeg.format, render.ffmpeg.codec, render.ffmpeg.constant_rate_factor = "MPEG4", "H264", "HIGH"
    part = Path(folder) / f"part_{Path(video).name}"
    render.filepath, render.use_file_extension = str(part), False
    bpy.ops.render.render(animation=True, scene=scene.name)
    part.replace(Path(folder) / Path(video).name)


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1:])
