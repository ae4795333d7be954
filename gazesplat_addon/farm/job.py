# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as a job bundle of the Open Job Description: frames in chunks, then a film. No scheduler of our own.

The farm's machines need Blender and nothing else: what runs there is Blender with two small scripts that travel inside the job.
"""
from __future__ import annotations

import shutil
from pathlib import Path

import bpy

from ...backend.contract import openjd
from ...backend.contract.errors import GazeSplatError
from ...backend.contract.refusals import explain_os_error
from .check import check

SCENE_FILE, FRAMES = "scene.blend", "frames"
_HERE = Path(__file__).parent
_BLENDER = ("-b", "{{Param.SceneFile}}", "-Y", "--python-exit-code", "1", "--python")


def write_job(scene: bpy.types.Scene, folder: Path, *, start: int | None = None, end: int | None = None, frames_per_task: int = 10,
              video: bool = True, blender: str = "blender", unchecked: bool = False) -> Path:
    """Write a job bundle for a scene of the saved file into ``folder``, and return its template.

    Raises GazeSplatError: ``not-saved``, ``not-for-farms`` unless ``unchecked``, ``bad-value``, and what a folder refuses.
    """
    first, last = scene.frame_start if start is None else start, scene.frame_end if end is None else end
    if last < first or frames_per_task < 1:
        raise GazeSplatError("bad-value", f"There is nothing to render from frame {first} to {last}, {frames_per_task} at a time.",
                             "Give an end after the start, and one frame a task or more.")
    saved = Path(bpy.data.filepath)
    changed = bpy.data.is_dirty and not bpy.app.background  # nobody keeps count of changes in background mode
    if not bpy.data.filepath or changed or not saved.is_file():
        raise GazeSplatError("not-saved", "The farm gets the file as it was saved last, and this one has changed since.", "Save it first.")
    if not unchecked:
        _require_ready(scene)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{SCENE_FILE}.part"
        shutil.copyfile(saved, part)
        part.replace(folder / SCENE_FILE)
    except OSError as error:
        raise explain_os_error(error, place_chosen=True) or error from error
    return openjd.write_bundle(folder, render_template(saved.stem, scene.name, first, last, frames_per_task, video=video, blender=blender))


def render_template(name: str, scene_name: str, first: int, last: int, frames_per_task: int, *, video: bool = True,
                    blender: str = "blender") -> dict:
    """Return the template: a step of chunks of frames and, with ``video``, a step that makes a film of them."""
    parameters = [
        openjd.parameter("SceneFile", "PATH", SCENE_FILE, "The saved .blend", objectType="FILE", dataFlow="IN"),
        openjd.parameter("SceneName", "STRING", scene_name, "Which of its scenes"),
        openjd.parameter("BlenderCommand", "STRING", blender, "Blender's program on the machines that render"),
        openjd.parameter("FirstFrame", "INT", first, "First frame to render"),
        openjd.parameter("LastFrame", "INT", last, "Last frame to render"),
        openjd.parameter("FramesPerTask", "INT", frames_per_task, "Frames that one task renders", minValue=1),
        openjd.parameter("OutputFolder", "PATH", FRAMES, "Where the frames go", objectType="DIRECTORY", dataFlow="OUT"),
    ]
    frames = "{{Param.FirstFrame}}-{{Param.LastFrame}}:{{Param.FramesPerTask}}"
    steps = [openjd.script_step(
        "Render", "{{Param.BlenderCommand}}", [*_BLENDER, "{{Task.File.RenderFrames}}", "--", "{{Param.SceneName}}", "{{Task.Param.Start}}",
                                               "{{Param.FramesPerTask}}", "{{Param.LastFrame}}", "{{Param.OutputFolder}}"],
        files={"RenderFrames": _script("render_frames.py")}, tasks={"Start": frames})]
    if video:
        parameters.append(openjd.parameter("VideoName", "STRING", f"{name}.mp4", "The film's name, in the same folder"))
        asked = [f"{{{{Param.{key}}}}}" for key in ("SceneName", "FirstFrame", "LastFrame", "OutputFolder", "VideoName")]
        steps.append(openjd.script_step(
            "Video", "{{Param.BlenderCommand}}", [*_BLENDER, "{{Task.File.EncodeVideo}}", "--", *asked],
            files={"EncodeVideo": _script("encode_video.py")}, after=["Render"]))
    return openjd.job_template(name, parameters, steps)


def _script(name: str) -> tuple[str, str]:
    return name, (_HERE / name).read_text("utf-8")


def _require_ready(scene: bpy.types.Scene) -> None:
    wrong = [finding for finding in check(scene).findings if finding.holds is False]
    if wrong:
        more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise GazeSplatError("not-for-farms", f"A farm would not render this scene as it is seen here: {wrong[0].sentence}{more}",
                             f"{wrong[0].fix} check_farm(fix=True) mends what can be mended; save the file then.")
