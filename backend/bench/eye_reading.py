# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read off an eye and where its rig puts it, against the truth of rendered heads: gaze, iris, lid margins."""
from __future__ import annotations

import numpy as np

from ...gazesplat_addon.rig import lids
from ...gazesplat_addon.rig.globe import globe_transform
from ...gazesplat_addon.rig.pose import Pose
from ...gazesplat_addon.rig.sidecar import EyeRig, PortraitRig
from ..eyes.geometry import from_eye

# Head frame (X subject's left, Y up, Z forward) from the portrait frame (X left, Y back, Z up).
HEAD_FROM_PORTRAIT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
OPENING = (0.1, 0.9)        # shares of it within which margins are compared: where a corner ends is anyone's choice
PLACES = 81


def gaze_errors(rig: PortraitRig, world_from_portrait: np.ndarray, pose: Pose, camera: dict, frame: dict) -> list[dict]:
    """Return per eye the commanded and achieved gaze (degrees), and how far (pixels) the posed iris centre lies from the true one."""
    found = []
    for side, eye in rig.eyes.items():
        angles, truth = pose.eyes[side], frame["eyes"][side[0].upper()]
        transform = globe_transform(eye, np.radians(angles.yaw_deg), np.radians(angles.pitch_deg))
        (pixel,), _ = _seen(camera, world_from_portrait, (transform @ np.append(eye.iris_centre_m, 1.0))[None, :3])
        axis = HEAD_FROM_PORTRAIT @ transform[:3, :3] @ np.array(eye.rest_axis)
        found.append({"yaw": float(np.degrees(np.arctan2(axis[0], axis[2]))), "pitch": float(np.degrees(np.arcsin(axis[1]))),
                      "true_yaw": truth["yaw"], "true_pitch": truth["pitch"],
                      "iris_px": float(np.linalg.norm(pixel - frame["eyes2d"][side[0].upper()]["iris_px"]))})
    return found


def gaze_fit(found: list[dict]) -> dict:
    """Return slope and RMSE of the achieved gaze over the true one, and mean and worst distance of irises."""
    fit = {}
    for axis in ("yaw", "pitch"):
        got, true = (np.array([f[k] for f in found]) for k in (axis, f"true_{axis}"))
        fit[f"{axis}_slope"] = float(np.polyfit(true, got, 1)[0])
        fit[f"{axis}_rmse_deg"] = float(np.sqrt(np.mean((got - true) ** 2)))
    fit["iris_px_mean"] = float(np.mean([f["iris_px"] for f in found]))
    fit["iris_px_max"] = float(np.max([f["iris_px"] for f in found]))
    return fit


def reading_errors(rig: PortraitRig, world_from_portrait: np.ndarray, camera: dict, frame: dict) -> dict:
    """Return what was read of the input picture less the truth: the iris' radius as a share, margins in pixels, up positive.

    Of a margin that was fitted to the step from lashes to globe, the mean is 1-1.5 px below the mesh's, whose edge lash roots hide;
    the standard deviation says how well its shape was found.
    """
    radius, off = [], {"upper": [], "lower": []}
    for side, eye in rig.eyes.items():
        truth = frame["eyes2d"][side[0].upper()]
        _, (found_depth,) = _seen(camera, world_from_portrait, np.array([eye.iris_centre_m]))
        _, (true_depth,) = _seen(camera, np.eye(4), np.array([frame["eyes"][side[0].upper()]["iris_world"]]))
        radius.append(true_depth / found_depth - 1.0)       # the ruler gives its size in metres
        for lid, margin in _margins(eye).items():
            pixels, _ = _seen(camera, world_from_portrait, margin)
            line = np.array(truth[f"lid_{lid}_px"])
            line = line[np.argsort(line[:, 0])]
            off[lid].append(np.interp(pixels[:, 0], line[:, 0], line[:, 1]) - pixels[:, 1])
    out = {"iris_radius_off": float(np.mean(radius))}
    for lid, values in off.items():
        out |= {f"{lid}_px_mean": float(np.mean(values)), f"{lid}_px_sd": float(np.mean([np.std(v) for v in values]))}
    return out


def _margins(eye: EyeRig) -> dict[str, np.ndarray]:
    """Return points (PLACES, 3) of both margins at rest, in the portrait frame."""
    x = eye.inner_x_m + np.linspace(*OPENING, PLACES) * (eye.outer_x_m - eye.inner_x_m)
    rest = lids.margins(eye, x, 0.0, 0.0, 0.0)
    return {lid: from_eye(eye, np.stack([x, y, lids.lid_height(eye, x, y)], 1))
            for lid, y in (("upper", rest.upper_rest), ("lower", rest.lower_rest))}


def _seen(camera: dict, world_from: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (N, 2) and planar depths (N,) of points (N, 3)."""
    whole = np.array(camera["w2c"])[:3] @ world_from
    x, y, z = whole[:, :3] @ points.T + whole[:, 3:]
    return np.stack([x / z * camera["fx"] + camera["cx"], y / z * camera["fy"] + camera["cy"]], 1), z
