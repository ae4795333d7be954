# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames become a clip and a contact sheet, with nothing but Blender's own encoder and numpy."""
from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

GAP_PX = 6
PAPER = 0.11


def encode(frames: list[Path], clip: Path, *, fps: int) -> None:
    """Write PNG frames (all of one size) as an H.264 MP4, by Blender's sequencer in a scene of its own."""
    width, height = size_of(frames[0])
    scene = bpy.data.scenes.new("Encode")
    try:
        strips = scene.sequence_editor_create().strips
        strip = strips.new_image("Frames", str(frames[0]), channel=1, frame_start=1)
        for frame in frames[1:]:
            strip.elements.append(frame.name)
        strip.frame_final_duration = len(frames)
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
        render.fps, render.fps_base = fps, 1.0
        scene.frame_start, scene.frame_end = 1, len(frames)
        # The frames hold display values already: pass them through.
        scene.view_settings.view_transform = "Standard"
        scene.sequencer_colorspace_settings.name = "sRGB"
        output = render.image_settings
        if hasattr(output, "media_type"):  # from Blender 5.0 a still and a video are told apart first
            output.media_type = "VIDEO"
        output.file_format = "FFMPEG"
        output.color_mode = "RGB"
        render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
        render.ffmpeg.constant_rate_factor = "PERC_LOSSLESS"
        render.ffmpeg.gopsize = 12
        part = clip.with_name(f"{clip.stem}.part.mp4")
        render.filepath, render.use_file_extension = str(part), False
        bpy.ops.render.render(animation=True, scene=scene.name)
        part.replace(clip)
    finally:
        bpy.data.scenes.remove(scene)


def contact_sheet(frames: list[Path], sheet: Path, *, columns: int, scale: int = 2) -> None:
    """Write pictures of one size as a grid, each reduced by ``scale`` in both directions."""
    rows = -(-len(frames) // columns)
    first = reduced(read(frames[0]), scale)
    height, width = first.shape[:2]
    paper = np.full((rows * (height + GAP_PX) + GAP_PX, columns * (width + GAP_PX) + GAP_PX, 3), PAPER, np.float32)
    for number, frame in enumerate(frames):
        top, left = (GAP_PX + (number // columns) * (height + GAP_PX), GAP_PX + (number % columns) * (width + GAP_PX))
        paper[top:top + height, left:left + width] = reduced(read(frame), scale)
    write(paper, sheet)


def enlarged_crops(frames: list[Path], sheet: Path, *, box: tuple[int, int, int, int], scale: int = 2, columns: int = 2) -> None:
    """Write the same box (left, top, right, bottom; pixels) of several frames, enlarged without smoothing."""
    left, top, right, bottom = box
    crops = [np.repeat(np.repeat(read(frame)[top:bottom, left:right], scale, 0), scale, 1) for frame in frames]
    rows = [np.concatenate(crops[i:i + columns], axis=1) for i in range(0, len(crops), columns) if len(crops[i:i + columns]) == columns]
    write(np.concatenate(rows), sheet)


def size_of(path: Path) -> tuple[int, int]:
    """Return a picture's width and height in pixels."""
    image = bpy.data.images.load(str(path))
    try:
        return tuple(image.size)
    finally:
        bpy.data.images.remove(image)


def read(path: Path) -> np.ndarray:
    """Return a picture's display values (H, W, 3), 0..1, first row on top."""
    image = bpy.data.images.load(str(path))
    try:
        image.colorspace_settings.name = "Non-Color"
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(height, width, 4)[::-1, :, :3]
    finally:
        bpy.data.images.remove(image)


def write(picture: np.ndarray, path: Path, *, quality: int = 90) -> None:
    """Write display values (H, W, 3), first row on top, as an 8-bit PNG, or as a JPEG where the name ends in .jpg."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Sheet", width, height, alpha=False)
    try:
        image.colorspace_settings.name = "Non-Color"
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = picture[::-1]
        image.pixels.foreach_set(pixels.ravel())
        image.file_format = "JPEG" if path.suffix == ".jpg" else "PNG"
        image.filepath_raw = str(path)
        image.save(quality=quality)
    finally:
        bpy.data.images.remove(image)


def reduced(picture: np.ndarray, scale: int) -> np.ndarray:
    """Return a picture averaged over blocks of ``scale`` by ``scale`` pixels."""
    height, width = (size // scale * scale for size in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // scale, scale, width // scale, scale, 3)
    return blocks.mean(axis=(1, 3))
