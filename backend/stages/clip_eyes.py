# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained head gets living eyes from one frame of its clip, fitted to the others: the first time, and when an artist corrects them."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.sidecar import EyeRig, PortraitRig
from ...gazesplat_addon.splat.arrays import Splats, concatenate
from ..eyes.build import build_eyes
from ..model.scan import FaceScan
from ..video.eye_fit import Report, fit_eyes
from ..video.eye_scan import replaced_by_eyes
from ..video.eye_views import EyeView
from ..video.kept_frames import KeptFrames


@dataclass(frozen=True)
class EyedHead:
    """A portrait before it is written; ``kept`` is what its eyes can be built again from, None where it has none."""

    splats: Splats
    groups: np.ndarray
    rig: PortraitRig
    scan: FaceScan
    figures: dict
    kept: KeptFrames | None = None


def put_eyes(head: Splats, scan: FaceScan, rig: PortraitRig, options: dict, gaze_deg: tuple[float, float],
             views_of: Callable[[np.ndarray], list[EyeView]], report: Report, drawn: frozenset[str] = frozenset()) -> EyedHead:
    """Build a scan's eyes, put them in the place of the head's own, and fit them to views.

    Camera, provenance and warnings are the given rig's, and so are the parameters of eyes that it has. ``views_of`` returns the views
    of points (N, 3) in the portrait frame. The lids of sides that were ``drawn`` stay on their lines in the scan's picture.
    """
    given = {name: value for name, value in options.items() if value is not None}
    built = build_eyes(scan, {"rest_gaze_deg": gaze_deg, **given})
    replaced = replaced_by_eyes(head, scan, built.exclude_mask, built.depth_m)
    flat = replace(built.splats, sh_rest=np.zeros((len(built.splats), head.sh_rest.shape[1], 3), np.float32))
    groups = np.concatenate([np.full(np.count_nonzero(~replaced), parts.HEAD, np.uint8), built.groups])
    views = views_of(flat.means)
    splats, fitted = fit_eyes(concatenate([head.select(~replaced), flat]), groups, replace(rig, eyes=built.rigs), views, report, drawn)
    eyes = {side: _tuned(eye, rig.eyes[side]) if side in rig.eyes else eye for side, eye in fitted.eyes.items()}
    return EyedHead(splats, groups, replace(fitted, eyes=eyes), scan, {"eye_splats": len(flat), "eye_views": len(views)},
                    KeptFrames(scan.head_mask, gaze_deg, views, head.select(replaced), drawn))


def _tuned(eye: EyeRig, before: EyeRig) -> EyeRig:
    """Return the eye with what an artist may have changed; how far the lashes stand off was fitted together with their splats."""
    return replace(eye.as_tuned(before), lash_angle_deg=eye.lash_angle_deg)
