# SPDX-License-Identifier: GPL-3.0-or-later
"""The canonical face: MediaPipe's 468 vertices and 898 triangles, and the index lists read off them.

The geometry is not copied into the source: it is read from the metadata inside ``face_landmarker.task``.
Canonical axes: x to the subject's left, y up, z out of the face; centimetres.
"""
from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from . import weights

# Closed outlines in the mesh's numbering, from MediaPipe's face_mesh_connections.
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
EYES = {
    "right": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    "left": (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
}
# Outer corner, inner corner, mid upper lid, mid lower lid.
EYE_CORNERS = {"right": (33, 133), "left": (263, 362)}
EYE_LIDS = {"right": (159, 145), "left": (386, 374)}
# Centre, then four points on the limbus.
IRISES = {"right": (468, 469, 470, 471, 472), "left": (473, 474, 475, 476, 477)}
FOREHEAD, CHIN, NOSE_TIP = 10, 152, 4
# The last vertices in front of the ears: where the mesh is widest.
SIDES = {"right": 234, "left": 454}

_METADATA = "geometry_pipeline_metadata_landmarks.binarypb"


@dataclass(frozen=True)
class FaceModel:
    """The canonical face.

    vertices   (468, 3) float64, centimetres
    triangles  (898, 3) int32
    stable     (33,) int, vertices that hardly move with the expression
    weights    (33,) float64, their weights in a rigid fit
    mirror     (478,) int, the landmark on the other side of the face
    """

    vertices: np.ndarray
    triangles: np.ndarray
    stable: np.ndarray
    weights: np.ndarray
    mirror: np.ndarray


@cache
def face_model() -> FaceModel:
    """Read the canonical face from the landmark model's metadata (a small protocol buffer)."""
    archive = zipfile.ZipFile(io.BytesIO(weights.model_bytes(weights.FACE_LANDMARKER)))
    mesh, stable, stable_weights = b"", [], []
    for number, value in _fields(archive.read(_METADATA)):
        if number == 1:
            mesh = value
        elif number == 2:
            landmark = dict(_fields(value))
            stable.append(landmark[1])
            stable_weights.append(struct.unpack("<f", landmark[2])[0])
    floats = [struct.unpack("<f", value)[0] for number, value in _fields(mesh) if number == 3]
    indices = [value for number, value in _fields(mesh) if number == 4]
    vertices = np.array(floats).reshape(-1, 5)[:, :3]
    return FaceModel(vertices, np.array(indices, np.int32).reshape(-1, 3), np.array(stable), np.array(stable_weights),
                     _mirror(vertices))


def _mirror(vertices: np.ndarray) -> np.ndarray:
    """Return for each of the 478 landmarks the one opposite: the nearest vertex after x -> -x."""
    flipped = vertices * [-1.0, 1.0, 1.0]
    nearest = np.argmin(np.linalg.norm(flipped[:, None] - vertices[None], axis=-1), axis=1)
    # Iris points run right, top, left, bottom as the camera sees them for both eyes.
    iris = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]
    return np.concatenate([nearest, iris])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk one protocol buffer message: field number and value (int, 4 raw bytes, or nested bytes)."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 5:
            value, at = message[at:at + 4], at + 4
        elif wire == 2:
            length, at = _varint(message, at)
            value, at = message[at:at + length], at + length
        else:
            raise ValueError(f"unexpected wire type {wire} in the face geometry")
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
