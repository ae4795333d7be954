# SPDX-License-Identifier: GPL-3.0-or-later
"""The job kind "graft": a splat head from anywhere gets living eyes, built from one picture of it whose camera is known."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.sidecar import PortraitRig
from ...gazesplat_addon.splat.arrays import Splats, concatenate
from ...gazesplat_addon.splat.files import read_splats
from ..context import JobContext
from ..contract import paths
from ..contract.errors import GazeSplatError
from ..contract.job import JobSpec
from ..eyes.build import build_eyes
from ..model.camera import Intrinsics
from ..model.photo import Photo, load_photo
from ..model.refine import fit_colours
from ..model.scan import FaceScan
from ..model.scan_view import scan_view
from ..render import Camera
from ..video.eye_scan import as_seen, replaced_by_eyes
from ..video.kept_frames import MOST_UNDER, KeptFrames
from .portrait_files import Refit, distance_m, provenance, source_camera, write_portrait
from .refit import refit_beside

NO_GAZE = (0.0, 0.0)    # where eyes look in their one picture is told from it anew, as of a photo


def run(context: JobContext) -> None:
    """Give the head ``context.input_path`` eyes, and write the portrait into ``context.result_part_folder``.

    Options: ``photo``, the picture's path in the job; ``camera``, of the whole picture: focal_px, centre_px (default: the middle) and w2c
    (4, 4) from the head's own units and axes, OpenCV; those of scan_view and build_eyes. Raises GazeSplatError: ``bad-camera``,
    ``bad-option``, and those of the stages.
    """
    options = context.spec.options
    context.emit_stage("Reading the head and its picture", 0.1)
    head = read_splats(context.input_path)
    name = options.get("photo")
    if not isinstance(name, str) or not paths.is_inside(name):
        raise GazeSplatError("bad-option", "The job does not say which picture shows the head.", "Give the picture with photo=.")
    photo = load_photo(context.folder / name)
    lens, w2c = read_camera(options.get("camera"), photo)
    context.emit_stage("Finding the face and its eyes", 0.4)
    scan, head = scan_view(head, photo, lens, w2c, options, context.warn)
    rig = PortraitRig(source_camera(scan), {}, gaze_distance_m=float(options.get("gaze_distance_m", distance_m(scan))),
                      provenance=provenance(context), warnings=list(context.warnings))
    put_eyes(context, scan, head, rig, context.spec)


def put_eyes(context: JobContext, scan: FaceScan, head: Splats, rig: PortraitRig, asked: JobSpec, refit: Refit = refit_beside) -> None:
    """Build a scan's eyes, put them in the place of the head's own, and write the portrait as a job ``asked`` for it.

    Camera, provenance and warnings are the given rig's, and so are the parameters of eyes that it has.
    """
    context.emit_stage("Building the eyes", 0.1)
    built = build_eyes(scan, asked.options)
    replaced = replaced_by_eyes(head, scan, built.exclude_mask, built.depth_m)
    kept = head.select(~replaced)
    rig = replace(rig, eyes={side: eye.as_tuned(rig.eyes[side]) if side in rig.eyes else eye for side, eye in built.rigs.items()})
    groups = np.concatenate([np.full(len(kept), parts.HEAD, np.uint8), built.groups])
    context.emit_stage("Matching colours", 0.1)
    eyes = matched(scan, kept, built.splats, groups, rig, context)
    can_be_rebuilt = np.count_nonzero(replaced) <= MOST_UNDER
    if can_be_rebuilt:
        KeptFrames(scan.head_mask, NO_GAZE, [], head.select(replaced)).save(context.result_part_folder)
    write_portrait(context, scan, concatenate([kept, eyes]), groups, rig, {"eye_splats": len(eyes), "replaced": len(head) - len(kept)},
                   scan_of=asked if can_be_rebuilt else None, refit=refit)


def matched(scan: FaceScan, kept: Splats, eyes: Splats, groups: np.ndarray, rig: PortraitRig, context: JobContext) -> Splats:
    """Return the eyes with colours fitted to the picture beside the head as it is, and with the head's degree of harmonics."""
    height, width = scan.image.shape[:2]
    seen = as_seen(kept, Camera(width, height, scan.fx, scan.fy, scan.cx, scan.cy, scan.portrait_to_camera)).colours
    still = replace(kept, colours=np.clip(seen, 0.0, 1.0).astype(np.float32), sh_rest=np.zeros((len(kept), 0, 3), np.float32))
    fitted = fit_colours(scan, concatenate([still, eyes]), groups, rig, context.progress)
    return replace(eyes, colours=fitted.colours[len(kept):], sh_rest=np.zeros((len(eyes), kept.sh_rest.shape[1], 3), np.float32))


def read_camera(given: object, photo: Photo) -> tuple[Intrinsics, np.ndarray]:
    """Return lens and w2c (4, 4) of the camera of a picture that a job names. GazeSplatError ``bad-camera``."""
    try:
        centre = given.get("centre_px") or [0.5 * side for side in photo.file_size_px]
        focal, cx, cy = (float(v) * photo.scale for v in (given["focal_px"], *centre))
        w2c = np.array(given["w2c"], float)
        turn = w2c[:3, :3]
        fits = w2c.shape == (4, 4) and focal > 0.0 and np.isfinite([focal, cx, cy]).all() and np.allclose(w2c[3], [0, 0, 0, 1])
        if not fits or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0.0:
            raise ValueError("no rigid camera")
    except (TypeError, AttributeError, KeyError, ValueError, IndexError) as error:
        raise GazeSplatError("bad-camera", "The picture's camera cannot be used.", "Give its focal length in pixels of the picture, "
                             "and a rigid 4 x 4 matrix from the splats' world to an OpenCV camera.") from error
    return Intrinsics(focal, cx, cy), w2c
