# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "video": a clip of a head becomes a rigged portrait that holds from ear to ear."""
from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats
from ..context import JobContext
from ..contract.errors import GazeSplatError
from ..model.camera import head_angles_deg
from ..model.scan import FaceScan
from ..train import device
from ..train.initialise import first_points
from ..train.isolate import CHIN, Keep, head_of
from ..train.settings import TrainSettings, preset
from ..train.trainer import Progress, Trained, train
from ..train.views import View, clip_views
from ..video.clip import Clip
from ..video.eye_scan import scan_eyes
from ..video.eye_views import eye_views
from ..video.prepare import prepare_clip
from .clip_eyes import EyedHead, put_eyes
from .portrait_files import distance_m, provenance, source_camera, write_png, write_portrait

FRAMES_SHORT_SIDE_PX = 540      # cameras and irises want more pixels than training on a CPU can afford
ITERATIONS = (100, 30_000)
CHECKPOINT, PREVIEW = "training.npz", "training.png"


@dataclass(frozen=True)
class TrainedHead:
    """What training and isolation made of a clip: the head alone, its views, how the run went, and with what it ran."""

    splats: Splats
    views: list[View]
    trained: Trained
    settings: TrainSettings
    side_px: int


def run(context: JobContext) -> None:
    """Reconstruct ``context.input_path`` into ``context.result_part_folder``.

    Options: those of prepare_clip (``num_frames``, ``height``, ``eye_ruler``), ``num_iters``, ``sh_degree``, ``rest_gaze_deg`` and
    ``gaze_distance_m`` as in build_eyes, ``linear_refit``. Raises GazeSplatError: those of the stages, ``bad-option``, ``no-cuda``.
    """
    side_px, settings = training_settings(context)
    clip = filmed_clip(context.input_path, side_px, context)
    head = train_head(clip, side_px, settings, context)
    context.emit_stage("Building the eyes", 0.09)
    eyed = with_eyes(clip, head.splats, context)
    if eyed.kept:
        eyed.kept.save(context.result_part_folder)
    write_portrait(context, eyed.scan, eyed.splats, eyed.groups, eyed.rig, eyed.figures | {
        "device": head.settings.device, "iterations": head.settings.iterations, "training_side_px": head.side_px,
        "training_psnr_db": round(head.trained.psnr_db, 2), "frames": len(clip.frames), "cameras": clip.cameras.source},
                   scan_of=context.spec if eyed.kept else None)


def filmed_clip(path: Path, side_px: int, context: JobContext) -> Clip:
    """Return the frames, masks and cameras of a clip or folder, in frames that are never smaller than irises need."""
    options = {**context.spec.options, "height": max(FRAMES_SHORT_SIDE_PX, side_px)}
    return prepare_clip(path, context.work_folder, options, context)


def training_settings(context: JobContext) -> tuple[int, TrainSettings]:
    """Return the training pictures' short side and the settings that a job asks for; GazeSplatError ``bad-option``, ``no-cuda``."""
    options = context.spec.options
    side_px, settings = preset(device.resolve(context.spec.device), context.spec.quality)
    return (_whole(options, "height", side_px, 90, 2160),
            replace(settings, iterations=_whole(options, "num_iters", settings.iterations, *ITERATIONS), seed=context.spec.seed,
                    sh_degree=_whole(options, "sh_degree", settings.sh_degree, 0, 3)))


def _whole(options: dict, name: str, usual: int, low: int, high: int) -> int:
    value = options.get(name)
    if value is None:
        return usual
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise GazeSplatError("bad-option", f"The option {name} must be a whole number from {low} to {high}.", f"Leave it out for {usual}.")
    return value


def train_head(clip: Clip, side_px: int, settings: TrainSettings, context: JobContext, keep: Keep | None = None) -> TrainedHead:
    """Train on a clip's frames and keep what is the head; goes on from the job's ``work/`` after a kill."""
    keep = keep or Keep()
    context.emit_stage("Training the head", 0.45)

    def attempt(side_px: int, settings: TrainSettings) -> TrainedHead:
        views = clip_views(clip, side_px)
        face = clip.cameras.face_points
        try:
            start = first_points(views, face, clip.cameras.points.astype(float), settings.first_splats, settings.seed)
        except ValueError as error:
            raise GazeSplatError("no-head", "The head could not be told from its surroundings in most frames.",
                                 "Film before a calmer background, with the whole head in view.") from error
        trained = train(views, start, settings, _Reporter(context), context.work_folder / CHECKPOINT)
        chin = face[CHIN] if np.isfinite(face[CHIN]).all() else None
        return TrainedHead(trained.splats.select(head_of(trained.splats, views, chin, keep)), views, trained, settings, side_px)

    head = device.with_less_memory(attempt, side_px, settings, context.warn)
    if not len(head.splats):
        raise GazeSplatError("no-head", "Training found no head in these frames.", "Film slowly round a still head, in even light.")
    return head


class _Reporter:
    """Tells the artist how training goes; a report raises when they ask to stop."""

    def __init__(self, context: JobContext) -> None:
        self.context = context

    def __call__(self, progress: Progress) -> None:
        self.context.progress(progress.step / progress.steps, progress.text)
        if progress.picture is not None:
            path = self.context.work_folder / PREVIEW
            write_png(path, progress.picture)
            self.context.preview(path)


def with_eyes(clip: Clip, head: Splats, context: JobContext) -> EyedHead:
    """Return the head with living eyes in place of its trained ones, and the scan of the frame that they come from.

    A head whose eyes are never seen open keeps what was trained.
    """
    options = context.spec.options
    try:
        eyes = scan_eyes(clip, head)
    except GazeSplatError as error:
        if error.code != "no-eyes":
            raise
        context.warn(error.code, f"{error.message} It can be shown and turned, but not look around.", error.hint)
        return _without_eyes(clip, head, context)
    scan = eyes.scan
    rig = PortraitRig(source_camera(scan), {}, gaze_distance_m=float(options.get("gaze_distance_m", distance_m(scan))),
                      provenance=provenance(context), warnings=list(context.warnings))
    eyed = put_eyes(head, scan, rig, options, eyes.gaze_deg, partial(eye_views, clip, eyes.frame), context.progress)
    return replace(eyed, figures=eyed.figures | {"eye_frame": int(clip.frames.index[eyes.frame])})


def _without_eyes(clip: Clip, head: Splats, context: JobContext) -> EyedHead:
    """Return what with_eyes does for a head without a rig, shown from the frame that sees it most from the front and upright."""
    frames, cameras = clip.frames, clip.cameras
    turned = [np.hypot(*head_angles_deg(w2c[:3, :3])[:2]) + abs(head_angles_deg(w2c[:3, :3])[2]) for w2c in cameras.world_to_camera]
    frame = int(np.argmin(turned))
    image, nothing = frames.image(frame).astype(np.float32) / np.float32(255.0), np.full((frames.height, frames.width), np.nan, np.float32)
    scan = FaceScan(image, frames.landmarks_px[frame], {}, cameras.fx, cameras.fy, cameras.cx, cameras.cy, cameras.world_to_camera[frame],
                    frames.mask(frame), nothing, nothing, {}, cameras.ruler)
    rig = PortraitRig(source_camera(scan), {}, provenance=provenance(context), warnings=list(context.warnings))
    return EyedHead(head, np.full(len(head), parts.HEAD, np.uint8), rig, scan, {"eye_splats": 0})
