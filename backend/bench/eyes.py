# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaze, blinks and views of portraits made from one picture, against rendered heads whose truth is known.

    bench eyes --gt FOLDER [--json FILE] [--out FOLDER] [--only NAME] [--cross-check N]

FOLDER holds ``selfie/*/input.png`` with ``request.json`` (what a method may see) and ``meta.json`` (the answer). Every
picture goes through the product's own job; every target is posed by the rig and drawn by the rasteriser.
"""
from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ...gazesplat_addon.rig import parts
from ...gazesplat_addon.rig.aim import eye_poses_toward
from ...gazesplat_addon.rig.pose import EyePose, Pose, pose_splats
from ...gazesplat_addon.rig.sidecar import PortraitRig, load_sidecar
from ...gazesplat_addon.splat.arrays import Splats
from ...gazesplat_addon.splat.ply import read_ply
from ..contract import paths
from ..contract.errors import GazeSplatError
from ..contract.inputs import copy_input
from ..contract.job import JobSpec, write_job
from ..render import Camera, RenderSettings, render
from ..run import DONE, run_job
from .baselines import disc_slide
from .eye_display import Shown, as_text, cross_check, portrait_camera, sample_of
from .eye_reading import HEAD_FROM_PORTRAIT, gaze_errors, gaze_fit, reading_errors
from .scoring import Score, eye_boxes, score

SUPERSAMPLE = 3     # the picture is drawn threefold and averaged, as a renderer's pixel filter would


@dataclass(frozen=True)
class Portrait:
    """A reconstructed head and where it stands in the ground truth's world."""

    splats: Splats
    groups: np.ndarray
    rig: PortraitRig
    world_from_portrait: np.ndarray
    seconds: float


class Drawn(NamedTuple):
    """One drawn target: its role, how far the wider eye is shut, the premultiplied picture, alpha and part mattes."""

    role: str
    shut: float
    picture: np.ndarray
    alpha: np.ndarray
    mattes: dict


def main(argv: list[str]) -> int:
    """Run the benchmark; returns 0 when every picture was scored."""
    parser = argparse.ArgumentParser(prog="bench eyes", description=__doc__.splitlines()[0])
    parser.add_argument("--gt", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--out", type=Path, help="keep the rendered pictures here, one folder a head (for the public scorer)")
    parser.add_argument("--only", help="one head by its folder's name")
    parser.add_argument("--cross-check", type=int, default=0, metavar="N",
                        help="of each head, render N rest, gaze and blink targets in Cycles and EEVEE too")
    arguments = parser.parse_args(argv)
    logging.getLogger().setLevel(logging.WARNING)
    heads = [p for p in sorted((arguments.gt / "selfie").glob("*/")) if (p / "request.json").exists()
             and arguments.only in (None, p.name)]
    if not heads:
        raise GazeSplatError("no-ground-truth", f"There are no heads in {arguments.gt / 'selfie'}.",
                             "Give a folder that holds selfie/<name>/input.png and request.json.")
    report = {}
    for head in heads:
        report[head.name] = run_head(head, arguments.out / head.name if arguments.out else None, arguments.cross_check)
        _print_head(head.name, report[head.name])
    report["mean"] = _mean_rows([report[h.name]["rows"] for h in heads])
    _print_rows("mean over heads", report["mean"])
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), "utf-8")
    return 0


def run_head(folder: Path, out: Path | None = None, checked: int = 0) -> dict:
    """Reconstruct one head and score every target of its request, ``checked`` of them in Blender too; returns plain data."""
    request = json.loads((folder / "request.json").read_text("utf-8"))
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    frames = {Path(f["file"]).stem: f for f in meta["frames"]}
    portrait = reconstruct(folder, request)
    photo = _read(folder / request["input"])
    stem = Path(request["input"]).stem
    targets = [{"stem": stem, "role": "rest", "camera": request["camera"], "gaze": frames[stem]["gaze"], "blink": {"L": 0.0, "R": 0.0}}]
    targets += request["targets"]
    if out:
        out.mkdir(parents=True, exist_ok=True)
    rows, gaze, drawn, shown = [], [], {}, []
    for target in targets:
        frame = frames[target["stem"]]
        truth = _read(folder / frame["file"])
        ids = cv2.imread(str(folder / f"{target['stem']}_id.png"), cv2.IMREAD_GRAYSCALE)
        eyes = eye_boxes(frame, truth.shape[:2])
        picture, alpha, mattes = draw(portrait, request, target)
        if out:
            straight = np.dstack([picture / np.maximum(alpha, 1e-6)[..., None], alpha])
            _write(out / f"{target['stem']}.png", straight)
        over = _eight_bit(picture + truth * (1.0 - alpha[..., None]))
        row = {"stem": target["stem"], "kind": _kind(target), **asdict(score(over, truth, photo, ids > 0, eyes))}
        if target["role"] in ("gaze", "blink"):
            slid = disc_slide(photo, frames[stem]["eyes2d"], target["gaze"])
            row["disc_slide"] = asdict(score(_eight_bit(slid), truth, photo, ids > 0, eyes))
        row["do_nothing"] = asdict(score(photo, truth, photo, ids > 0, eyes))
        rows.append(row)
        if target["role"] in ("rest", "gaze"):
            gaze += gaze_errors(portrait.rig, portrait.world_from_portrait, pose_of(portrait, request, target), target["camera"], frame)
        if target["role"] in ("rest", "gaze", "blink"):
            drawn[target["stem"]] = Drawn(target["role"], min(target["blink"].values()), picture, alpha, mattes)
            shown.append(Shown(target["stem"], _kind(target), portrait_camera(target["camera"], portrait.world_from_portrait),
                               aim_m(portrait, request, target), blinks(portrait, target), over, truth, photo, ids > 0, eyes))
    check = cross_check(portrait.splats, portrait.groups, portrait.rig, sample_of(shown, checked), SUPERSAMPLE) if checked else []
    reading = reading_errors(portrait.rig, portrait.world_from_portrait, request["camera"], frames[stem])
    return {"rows": rows, "summary": _summary(rows), "splats": len(portrait.splats), "seconds": portrait.seconds, "gaze": gaze_fit(gaze),
            "reading": reading, "motion": _motion_figures(drawn, stem), "cross_check": check}


def reconstruct(folder: Path, request: dict) -> Portrait:
    """Run the product's selfie job on one head's input, with its camera, pose and eye ruler as given."""
    camera, ruler = request["camera"], request["eye_ruler"]
    w2c = np.array(camera["w2c"])
    turn = w2c[:3, :3] @ np.array(request["head_to_world"])[:3, :3] @ HEAD_FROM_PORTRAIT
    lever = ruler["centre_to_iris_m"]
    options = {"focal_px": camera["fx"], "cx": camera["cx"], "cy": camera["cy"], "head_to_camera": turn.tolist(),
               "eye_ruler": {"iris_diameter_m": ruler["iris_diameter_m"], "lever_yaw_m": lever, "lever_pitch_m": lever,
                             "globe_radius_m": ruler["eyeball_radius_m"]},
               "rest_gaze_deg": request.get("gaze", [0.0, 0.0]), "gaze_distance_m": request["gaze_distance_m"], "linear_refit": False}
    job = Path(tempfile.mkdtemp(prefix="gazesplat-bench-"))
    try:
        started = time.monotonic()
        write_job(job, JobSpec(id=job.name, kind="selfie", input=copy_input(folder / request["input"], job), options=options))
        if run_job(job, log_name="the text above", echo=_print_trouble) != DONE:
            raise GazeSplatError("bench-failed", f"The head {folder.name} could not be reconstructed.", "See the message above.")
        seconds = time.monotonic() - started
        splats = read_ply(job / paths.RESULT / "portrait.ply")
        rig, groups = load_sidecar(job / paths.RESULT, len(splats))
    finally:
        shutil.rmtree(job)
    return Portrait(splats, groups, rig, np.linalg.inv(w2c) @ np.array(rig.camera.w2c), round(seconds, 2))


def aim_m(portrait: Portrait, request: dict, target: dict) -> np.ndarray:
    """Return the point (3,) of the portrait frame at which both eyes look."""
    yaw, pitch = np.radians(target["gaze"])
    head = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    centre = np.mean([eye.centre_m for eye in portrait.rig.eyes.values()], axis=0)
    return centre + request["gaze_distance_m"] * (HEAD_FROM_PORTRAIT.T @ head)


def blinks(portrait: Portrait, target: dict) -> dict[str, float]:
    """Return how far each eye is shut, by side."""
    return {side: target["blink"][side[0].upper()] for side in portrait.rig.eyes}


def pose_of(portrait: Portrait, request: dict, target: dict) -> Pose:
    """Return the pose that a target asks for: both eyes aim at one point at the gaze distance."""
    aimed = eye_poses_toward(portrait.rig, aim_m(portrait, request, target))
    shut = blinks(portrait, target)
    return Pose({side: EyePose(eye.yaw_deg, eye.pitch_deg, shut[side]) for side, eye in aimed.eyes.items()})


def draw(portrait: Portrait, request: dict, target: dict) -> tuple[np.ndarray, np.ndarray, dict]:
    """Return the premultiplied picture (H, W, 3), alpha (H, W) and part mattes of one target."""
    c = target["camera"]
    camera = Camera(c["w"], c["h"], c["fx"], c["fy"], c["cx"], c["cy"], np.array(c["w2c"]) @ portrait.world_from_portrait)
    posed = pose_splats(portrait.splats, portrait.groups, portrait.rig, pose_of(portrait, request, target))
    globe = [parts.code(side, part) for side in parts.SIDES for part in parts.GLOBE_PARTS]
    frame = render(posed, camera.scaled(SUPERSAMPLE), RenderSettings(), mattes={"globe": globe})
    size = (c["w"], c["h"])
    rgb, alpha, matte = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (frame.rgb, frame.alpha, frame.mattes["globe"]))
    return np.clip(rgb, 0.0, 1.0), np.clip(alpha, 0.0, 1.0), {"globe": matte}


def _motion_figures(drawn: dict[str, Drawn], rest: str) -> dict:
    """What must hold whatever the truth: a closed eye shows no globe, nothing outside the orbits moves, no holes."""
    _, _, picture, alpha, mattes = drawn[rest]
    open_globe = mattes["globe"].sum()
    orbit = cv2.dilate((mattes["globe"] > 0.02).astype(np.uint8), np.ones((2 * int(0.06 * len(alpha)) + 1,) * 2, np.uint8)) > 0
    changed, thin = 0, 0
    for role, _, other, other_alpha, _ in drawn.values():
        if role == "gaze":
            changed = max(changed, int((np.abs(other - picture).max(-1)[~orbit] > 1.0 / 255.0).sum()))
            thin = max(thin, int((other_alpha[mattes["globe"] > 0.5] < 0.9).sum()))
    closed = [one.mattes["globe"].sum() / open_globe for one in drawn.values() if one.shut == 1.0]
    return {"aperture_closed_over_open": float(max(closed)) if closed else None, "pixels_changed_outside_orbits": changed,
            "thin_socket_pixels": thin}


def _kind(target: dict) -> str:
    yaw, pitch = (abs(v) for v in target["gaze"])
    if target["role"] == "gaze":
        return f"gaze yaw {yaw:g} pitch {pitch:g}"
    if target["role"] == "blink":
        both = target["blink"].values()
        return f"blink {max(both):.2f}" if max(both) == min(both) else "wink"
    return target["role"]


def _summary(rows: list[dict]) -> dict:
    """Mean of every score by kind of target, and over all gazes, blinks and views."""
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(row["kind"], []).append(row)
        if " " in row["kind"]:
            groups.setdefault("all " + row["kind"].split()[0], []).append(row)
    fields = list(Score.__dataclass_fields__)
    out = {}
    for kind, members in sorted(groups.items()):
        out[kind] = {f: _mean(m[f] for m in members) for f in fields}
        out[kind]["eye_psnr_min"] = float(min(m["eye_psnr"] for m in members))
        for baseline in ("do_nothing", "disc_slide"):
            if all(baseline in m for m in members):
                out[kind][baseline] = {f: _mean(m[baseline][f] for m in members) for f in fields}
    return out


def _mean(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _mean_rows(heads: list[list[dict]]) -> dict:
    return _summary([row for rows in heads for row in rows])


def _print_head(name: str, result: dict) -> None:
    _print_rows(f"{name}: {result['splats']} splats in {result['seconds']} s", result["summary"])
    g, m, r = result["gaze"], result["motion"], result["reading"]
    _say(f"  gaze slope {g['yaw_slope']:.3f} / {g['pitch_slope']:.3f}, rmse {g['yaw_rmse_deg']:.2f} / {g['pitch_rmse_deg']:.2f} deg, "
         f"iris off by {g['iris_px_mean']:.2f} px (most {g['iris_px_max']:.2f}); closed/open {m['aperture_closed_over_open']}, "
         f"outside orbits {m['pixels_changed_outside_orbits']} px, thin {m['thin_socket_pixels']} px")
    _say(f"  at rest, against truth: iris radius {100.0 * r['iris_radius_off']:+.1f} %, upper margin {r['upper_px_mean']:+.2f} px "
         f"(sd {r['upper_px_sd']:.2f}), lower {r['lower_px_mean']:+.2f} px (sd {r['lower_px_sd']:.2f}), up counts positive")
    if result["cross_check"]:
        _say(as_text(result["cross_check"]))


def _print_rows(title: str, summary: dict) -> None:
    _say(f"\n{title}\n{'':24s} {'eye dB':>7s} {'min':>6s} {'skill':>6s} {'ssim':>6s} {'head dB':>8s}   nothing  disc slide")
    for kind, s in summary.items():
        slide = f"{s['disc_slide']['eye_psnr']:9.2f}" if "disc_slide" in s else ""
        _say(f"{kind:24s} {s['eye_psnr']:7.2f} {s['eye_psnr_min']:6.2f} {_figure(s['skill'])} {s['eye_ssim']:6.3f} {s['head_psnr']:8.2f} "
             f"{s['do_nothing']['eye_psnr']:9.2f} {slide}")


def _figure(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.2f}"


def _print_trouble(event: dict) -> None:
    if event["type"] in ("warning", "failed"):
        _say(f"  {event['type']}: {event['code']}: {event['message']}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise GazeSplatError("no-ground-truth", f"{path} cannot be read.", "Check the ground-truth folder.")
    return cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2RGB).astype(np.float32) / 255.0


def _write(path: Path, rgba: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(np.round(np.clip(rgba, 0.0, 1.0) * 255.0).astype(np.uint8), cv2.COLOR_RGBA2BGRA))


def _eight_bit(picture: np.ndarray) -> np.ndarray:
    return (np.round(np.clip(picture, 0.0, 1.0) * 255.0) / 255.0).astype(np.float32)
