# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait's sidecar: everything a standard PLY cannot say, as data and as files.

``portrait.json`` holds the rig, the camera and the provenance, ``portrait.npz`` the group of
every splat in the order of ``portrait.ply``. Both are plain data: nothing executable is read.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...backend.contract import plain_json
from ...backend.contract.errors import GazeSplatError
from ..splat.npz import ArrayMissing, ArrayTooLarge, read_arrays

FORMAT = "gazesplat-portrait"
VERSION = 1
SHADE_TERMS = 7
CURVE_TERMS = 5


@dataclass(frozen=True)
class EyeRig:
    """One eye: where it turns, what its lids do, how light falls on it. Metres, unit vectors.

    The eye frame has its origin in the globe's centre, x along the line of the lid corners towards the
    subject's left, y up and z out of the face. Lid curves live in its (x, y) plane:
    ``y(s) = corner_y_m + sum_n a_n sin(n t)``, ``t = acos(1 - 2 s)``, ``s`` from the inner to the outer corner.
    """

    centre_m: tuple[float, float, float]          # globe centre, portrait frame
    frame: tuple[tuple[float, float, float], ...]  # 3x3, columns = axes of the eye frame in the portrait frame
    rest_axis: tuple[float, float, float]         # gaze axis of the photo, portrait frame
    pivot_yaw_m: tuple[float, float, float]       # rotation centre of yaw, portrait frame
    pivot_pitch_m: tuple[float, float, float]     # rotation centre of pitch (and torsion), portrait frame
    iris_centre_m: tuple[float, float, float]     # centre of the iris plane at rest, portrait frame
    iris_radius_m: float
    pupil_radius_m: float                         # at rest
    globe_radius_m: float
    inner_x_m: float                              # inner (nasal) corner, eye frame; larger than outer_x_m on the right eye
    outer_x_m: float
    corner_y_m: float
    upper_m: tuple[float, ...]                    # CURVE_TERMS sine coefficients of the upper margin at rest
    lower_m: tuple[float, ...]
    closing_m: tuple[float, ...]                  # line on which the closed lids meet, before lower-lid follow
    lid_radius_m: float                           # sphere on which the lids slide
    upper_reach_m: float                          # height above the margin beyond which skin does not move
    lower_reach_m: float
    shade: tuple[tuple[float, float, float], ...]  # (SHADE_TERMS, 3) log-shading of the globe, see pose.shading_terms
    # Portrait parameters an artist may change.
    follow_upper_up: float = 0.75                 # margin travel per iris travel when looking up
    follow_upper_down: float = 1.0                # people: 1:1 (Becker & Fuchs 1988)
    follow_lower_up: float = 0.4                  # people: 0.3-0.5
    follow_lower_down: float = 0.4
    carry: float = 0.35                           # share of the sideways iris travel by which the cornea carries the lids
    overlap: float = 0.4                          # iris radii by which the upper lid overlaps the lower at the outer corner
    zip_share: float = 0.5                        # how far the lower margin moves to the closing line on a full blink
    lash_angle_deg: float = 30.0                  # lashes' elevation from the line of sight at rest
    highlight_share: float = 0.53                 # corneal reflection's travel per iris travel: 5.7 mm / 10.8 mm
    yaw_limit_deg: float = 35.0                   # comfortable range, Guitton & Volle
    up_limit_deg: float = 25.0
    down_limit_deg: float = 30.0
    lead_m: float = 0.0                           # how far the upper lid comes forward as it shuts, over a lower one that stands out
    confidence: float = 1.0                       # 0..1, how well the photo shows this eye

    def as_tuned(self, other: EyeRig) -> EyeRig:
        """Return this eye with the portrait parameters of another, which an artist may have changed."""
        return replace(self, **{name: getattr(other, name) for name in PARAMETERS})

    @property
    def lever_yaw_m(self) -> float:
        """Distance from the yaw pivot to the iris plane."""
        return float(np.linalg.norm(np.subtract(self.iris_centre_m, self.pivot_yaw_m)))

    @property
    def lever_pitch_m(self) -> float:
        """Distance from the pitch pivot to the iris plane."""
        return float(np.linalg.norm(np.subtract(self.iris_centre_m, self.pivot_pitch_m)))

    def gaze_frame(self) -> np.ndarray:
        """Return (3, 3): columns x (subject's left), y (up), z (rest axis) in the portrait frame. Read only."""
        return _gaze_frame(tuple(map(float, self.rest_axis)))


PARAMETERS = ("follow_upper_up", "follow_upper_down", "follow_lower_up", "follow_lower_down", "carry", "overlap", "zip_share",
              "lash_angle_deg", "highlight_share", "yaw_limit_deg", "up_limit_deg", "down_limit_deg")


@dataclass(frozen=True)
class SourceCamera:
    """The photo's camera: pixels with centres at +0.5, OpenCV axes, ``w2c`` maps portrait to camera (metres)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    w2c: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class PortraitRig:
    """All that is ours about one portrait. ``eyes`` is empty for a head without a rig."""

    camera: SourceCamera
    eyes: dict[str, EyeRig]                        # "left", "right"
    neck_pivot_m: tuple[float, float, float] = (0.0, 0.09, -0.14)   # atlanto-occipital region behind and below the eyes
    gaze_distance_m: float = 0.6                   # where the eyes met when the photo was taken
    provenance: dict = field(default_factory=dict)  # source name, sha256, size, created, program versions, consent
    warnings: list = field(default_factory=list)   # [{"code", "message", "hint"}]


# What is not one number.
_EYE_SHAPES = {**dict.fromkeys(("centre_m", "rest_axis", "pivot_yaw_m", "pivot_pitch_m", "iris_centre_m"), (3,)), "frame": (3, 3),
               **dict.fromkeys(("upper_m", "lower_m", "closing_m"), (CURVE_TERMS,)), "shade": (SHADE_TERMS, 3)}
_CAMERA_SHAPES = {"w2c": (4, 4)}
_PROBES = 64
_PROBE_TOLERANCE_M = 1e-3    # SPZ rounds places to a quarter of this; heads differ by more
_LARGEST = 1e6               # of a number in a sidecar; cameras have pixels, all else metres and degrees
_SMALLEST_M = 1e-5           # of a radius, lever or opening, in metres: no eye is smaller
_AXIS_TOLERANCE = 1e-2
_STEEPEST = 0.999            # upward share of a rest axis beyond which left and right cannot be told


@lru_cache(maxsize=64)
def _gaze_frame(rest_axis: tuple[float, float, float]) -> np.ndarray:
    z = np.array(rest_axis)
    x = np.cross([0.0, 0.0, 1.0], z)
    x /= np.linalg.norm(x)
    frame = np.stack([x, np.cross(z, x), z], axis=1)
    frame.setflags(write=False)
    return frame


def to_json(rig: PortraitRig) -> dict:
    """Return the rig as plain JSON data."""
    return {"format": FORMAT, "version": VERSION, "units": "metres, degrees",
            "frame": "+Z up, -Y forward, +X subject's left, origin between the eyes", **asdict(rig)}


def from_json(data: dict) -> PortraitRig:
    """Rebuild a rig from JSON data.

    Raises GazeSplatError ``sidecar-invalid`` or ``sidecar-newer``.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise GazeSplatError("sidecar-invalid", "This is not a GazeSplat portrait file.",
                             "Choose the portrait.json that lies beside portrait.ply.")
    version = data.get("version", 0)
    if isinstance(version, int) and version > VERSION:
        raise GazeSplatError("sidecar-newer", f"This portrait was written by a newer GazeSplat (format {version}).",
                             "Update the extension, then load it again.")
    try:
        if not isinstance(version, int) or not set(data["eyes"]) <= {"left", "right"}:
            raise ValueError("its version or its eyes are no longer what they were")
        eyes = {side: EyeRig(**_numbers(_known(EyeRig, eye), _EYE_SHAPES)) for side, eye in data["eyes"].items()}
        camera = SourceCamera(**_numbers(_known(SourceCamera, data["camera"]), _CAMERA_SHAPES))
        rest = _known(PortraitRig, {k: v for k, v in data.items() if k not in ("eyes", "camera")})
        rig = PortraitRig(camera=camera, eyes=eyes, **rest)
        _check(rig)
        return rig
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise GazeSplatError("sidecar-invalid", f"The portrait's sidecar is damaged ({error}).",
                             "Reconstruct the portrait again, or restore portrait.json from a backup.") from error


def save_sidecar(folder: Path, rig: PortraitRig, groups: np.ndarray, means: np.ndarray | None = None) -> None:
    """Write ``portrait.json`` and ``portrait.npz`` into ``folder``; groups (N,) uint8 in PLY order.

    By some of the splats' ``means`` (N, 3) the sidecar will know them from those of another portrait.
    """
    folder = Path(folder)
    temporary = folder / "portrait.json.part"
    temporary.write_text(json.dumps(to_json(rig), indent=1, default=float), "utf-8")
    temporary.replace(folder / "portrait.json")
    temporary = folder / "portrait.npz.part"
    with temporary.open("wb") as handle:
        np.savez_compressed(handle, groups=np.asarray(groups, np.uint8), **({} if means is None else {"probes": _probes(means)}))
    temporary.replace(folder / "portrait.npz")


def note_in_sidecar(folder: Path, notes: dict[str, str]) -> None:
    """Change entries of the provenance in ``portrait.json``, and nothing else in it; OSError where it cannot be written."""
    path = Path(folder) / "portrait.json"
    try:
        data = plain_json.read(path)
        data["provenance"] = {**data.get("provenance", {}), **notes}
    except (ValueError, TypeError, AttributeError) as error:
        raise GazeSplatError("sidecar-invalid", f"The portrait's sidecar cannot be read ({error}).",
                             "Reconstruct the portrait again, or restore its folder from a backup.") from error
    temporary = path.with_name("portrait.json.part")
    temporary.write_text(json.dumps(data, indent=1), "utf-8")
    temporary.replace(path)


def load_rig(folder: Path) -> PortraitRig:
    """Return the rig of ``portrait.json`` alone. Raises GazeSplatError ``sidecar-missing``, ``sidecar-invalid`` or ``sidecar-newer``."""
    with _explained():
        data = plain_json.read(Path(folder) / "portrait.json")
    return from_json(data)


def load_sidecar(folder: Path, count: int, means: np.ndarray | None = None) -> tuple[PortraitRig, np.ndarray]:
    """Return the rig and groups (count,) uint8 of a portrait of ``count`` splats, with these ``means`` (count, 3) if they are given.

    Raises GazeSplatError ``sidecar-missing``, ``sidecar-invalid``, ``sidecar-newer`` or ``sidecar-mismatch``.
    """
    folder = Path(folder)
    rig = load_rig(folder)
    try:
        with _explained():
            groups = read_arrays(folder / "portrait.npz", {"groups": 8 * count})["groups"]
            described = str(groups.size)
    except GazeSplatError as error:
        if not isinstance(error.__cause__, ArrayTooLarge):
            raise
        groups, described = np.zeros(0, np.uint8), "more"
    if groups.shape != (count,) or described == "more":
        raise GazeSplatError("sidecar-mismatch", f"The sidecar describes {described} splats, the PLY holds {count}.",
                             "Keep portrait.ply, portrait.json and portrait.npz of one reconstruction together.")
    if means is not None and not _knows(folder, means):
        raise GazeSplatError("sidecar-mismatch", f"The sidecar describes another portrait's splats, though there are {count} of those too.",
                             "Keep portrait.ply, portrait.json and portrait.npz of one reconstruction together.")
    if groups.dtype.kind not in "iu":
        raise GazeSplatError("sidecar-invalid", "The portrait's sidecar does not say which splats are eyes.",
                             "Reconstruct the portrait again, or restore its folder from a backup.")
    return rig, groups.astype(np.uint8)


def _probes(means: np.ndarray) -> np.ndarray:
    """Return the places (M, 3) of splats spread over the file."""
    return np.asarray(means, np.float32)[np.linspace(0, max(len(means) - 1, 0), min(_PROBES, len(means))).astype(int)]


def _knows(folder: Path, means: np.ndarray) -> bool:
    """Return whether a sidecar was made for these splats; one of before 2026-12 does not say, and is believed."""
    expected = _probes(means)
    try:
        found = read_arrays(folder / "portrait.npz", {"probes": 8 * expected.size})["probes"]
    except ArrayMissing:
        return True
    except ValueError:
        return False
    return found.shape == expected.shape and bool((np.abs(found - expected) <= _PROBE_TOLERANCE_M).all())


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what reading a file may raise into GazeSplatError."""
    try:
        yield
    except FileNotFoundError as error:
        raise GazeSplatError("sidecar-missing", f"{Path(error.filename).name} is missing beside the splats.",
                             "Load the file as a plain splat, or reconstruct the portrait again.") from error
    except (ValueError, OSError) as error:
        raise GazeSplatError("sidecar-invalid", f"The portrait's sidecar cannot be read ({error}).",
                             "Reconstruct the portrait again, or restore its folder from a backup.") from error


def _known(cls: type, data: dict) -> dict:
    """Keep the fields this version knows; lists become tuples so that the dataclasses stay hashable."""
    names = {f.name for f in fields(cls)}
    return {k: _tuples(v) if k != "warnings" else v for k, v in data.items() if k in names}


def _numbers(given: dict, shapes: dict[str, tuple[int, ...]]) -> dict:
    """Return the fields of an eye or camera if each is finite numbers of its shape, () for one; ValueError otherwise."""
    for name, value in given.items():
        shape = shapes.get(name, ())
        array = np.asarray(value)
        if array.shape != shape or array.dtype.kind not in "iuf" or not (np.abs(array.astype(float)) <= _LARGEST).all():
            raise ValueError(f"{name} is not {' x '.join(map(str, shape)) or 'a'} finite number{'s' if shape else ''}")
    return given


def _check(rig: PortraitRig) -> None:
    """Raise ValueError for a rig that nothing can be computed with, though its numbers are numbers."""
    _numbers({"neck_pivot_m": rig.neck_pivot_m, "gaze_distance_m": rig.gaze_distance_m}, {"neck_pivot_m": (3,)})
    if not isinstance(rig.provenance, dict) or not isinstance(rig.warnings, list):
        raise ValueError("its provenance or its warnings are damaged")
    if min(rig.camera.width, rig.camera.height, rig.camera.fx, rig.camera.fy) <= 0:
        raise ValueError("its camera sees nothing")
    for side, eye in rig.eyes.items():
        axes = np.linalg.norm(np.array([eye.rest_axis, *np.transpose(eye.frame)]), axis=1)
        lengths = (eye.iris_radius_m, eye.globe_radius_m, eye.lid_radius_m, eye.lever_yaw_m, eye.lever_pitch_m)
        upright = abs(axes - 1.0).max() <= _AXIS_TOLERANCE and abs(eye.rest_axis[2]) <= _STEEPEST
        if not upright or min(*lengths, abs(eye.outer_x_m - eye.inner_x_m)) < _SMALLEST_M:
            raise ValueError(f"its {side} eye is none")


def _tuples(value):
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
