# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the first splats lie: on the hull that the masks carve, on the triangulated face, and at SfM's points.

Masked features alone are too few, and the hull alone stands off the eyes and the nose; together they leave training
little way to go.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..model.face_model import face_model
from .views import View

GRID = 96               # voxels a side of the carved box
INSIDE_SHARE = 0.94     # of the views that see a voxel must find it inside the mask: masks err now and then
SEEN_SHARE = 0.6        # of the views must have it in their frame: near one end of an arc few see the air before them
FACE_CLEARANCE_M = 0.02  # hull this near to the face is replaced by the face
FACE_SHARE = 0.35       # of the splats lie on the face
BOX_SHARE = 0.6         # half side of the box, of the distance between cameras and head


@dataclass(frozen=True)
class Start:
    """N points (N, 3) float32 in metres, their colours (N, 3) 0..1 and spacing (N,) in metres."""

    points: np.ndarray
    colours: np.ndarray
    spacing_m: np.ndarray


def first_points(views: list[View], face_points: np.ndarray, sparse_points: np.ndarray, count: int, seed: int) -> Start:
    """Return about ``count`` points on what the masks and the landmarks know of the head.

    face_points (478, 3) metres, NaN where unknown; sparse_points (M, 3) metres, those outside the hull are dropped.
    Raises ValueError when the masks have no common inside.
    """
    random = np.random.default_rng(seed)
    voxels, size = carve(views)
    if not len(voxels):
        raise ValueError("the masks of these views carve nothing: masks or cameras are wrong")
    shell = visible_from(views, _shell(voxels, size))
    face = _on_face(face_points, int(FACE_SHARE * count), random)
    tree = cKDTree(voxels)
    sparse = sparse_points[tree.query(sparse_points)[0] < 1.5 * size] if len(sparse_points) else sparse_points.reshape(-1, 3)
    if len(face):
        shell = shell[cKDTree(face).query(shell)[0] > FACE_CLEARANCE_M]
    room = max(0, count - len(face) - len(sparse))
    picked = shell[random.permutation(len(shell))[:room]]
    # More splats than shell voxels: scatter several in each.
    extra = shell[random.integers(0, len(shell), max(0, room - len(picked)))] if len(shell) else shell
    hull = np.concatenate([picked, extra]) + random.uniform(-0.5, 0.5, (len(picked) + len(extra), 3)) * size
    points = np.concatenate([hull, face, sparse]).astype(np.float32)
    spacing = cKDTree(points).query(points, k=4)[0][:, 1:].mean(1)
    return Start(points, sample_colours(views, points), np.clip(spacing, 3e-4, 0.01).astype(np.float32))


def carve(views: list[View]) -> tuple[np.ndarray, float]:
    """Return the centres (M, 3) of the voxels inside the masks, and a voxel's side, in metres."""
    centre, half = _box(views)
    for _ in range(2):      # coarsely, then again in the box that was found
        size = 2.0 * half / GRID
        steps = (np.arange(GRID) + 0.5) * size - half
        voxels = centre + np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
        missed, seen = np.zeros(len(voxels)), np.zeros(len(voxels))
        for view in views:
            pixels, in_picture, in_frame = _pixels(view, voxels)
            seen += in_frame
            missed += in_frame & ~(in_picture & (view.mask[pixels[:, 1], pixels[:, 0]] > 0.5))
            # Most voxels are out after a few views, and need not be asked again.
            possible = missed <= (1.0 - INSIDE_SHARE) * len(views)
            voxels, missed, seen = voxels[possible], missed[possible], seen[possible]
        kept = voxels[(missed <= (1.0 - INSIDE_SHARE) * seen) & (seen >= SEEN_SHARE * len(views))]
        if not len(kept):
            return kept, size
        low, high = kept.min(0) - size, kept.max(0) + size
        centre, half = 0.5 * (low + high), 0.5 * float((high - low).max())
    return kept, size


def _box(views: list[View]) -> tuple[np.ndarray, float]:
    """Return the point nearest to all rays through the masks' centres, and half the side of a box about it."""
    a, b, eyes = np.zeros((3, 3)), np.zeros(3), []
    for view in views:
        c = view.camera
        rows, columns = np.nonzero(view.mask > 0.5)
        ray = c.w2c[:3, :3].T @ [(columns.mean() + 0.5 - c.cx) / c.fx, (rows.mean() + 0.5 - c.cy) / c.fy, 1.0]
        across = np.eye(3) - np.outer(ray, ray) / (ray @ ray)
        a, b = a + across, b + across @ c.position
        eyes.append(c.position)
    centre = np.linalg.solve(a + 1e-9 * np.eye(3), b)
    return centre, BOX_SHARE * float(np.median(np.linalg.norm(np.array(eyes) - centre, axis=1)))


def _pixels(view: View, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels (N, 2) int of points (N, 3), which (N,) lie in the picture, and which in the frame it was cut from."""
    c = view.camera
    p = points @ c.w2c[:3, :3].T + c.w2c[:3, 3]
    z = np.maximum(p[:, 2], 1e-6)
    x, y = np.floor(p[:, 0] / z * c.fx + c.cx), np.floor(p[:, 1] / z * c.fy + c.cy)
    before = p[:, 2] > c.near_m
    within = before & (x >= 0) & (y >= 0) & (x < c.width) & (y < c.height)
    left, top, right, bottom = c.sensor or (0.0, 0.0, c.width, c.height)
    framed = before & (x >= left) & (y >= top) & (x < right) & (y < bottom)
    return np.stack([np.where(within, x, 0), np.where(within, y, 0)], 1).astype(int), within, framed


def _shell(voxels: np.ndarray, size: float) -> np.ndarray:
    """Return the voxels (M, 3) of which a neighbour is missing."""
    index = np.round((voxels - voxels.min(0)) / size).astype(int) + 1
    grid = np.zeros(index.max(0) + 2, bool)
    grid[tuple(index.T)] = True
    inner = np.ones(len(voxels), bool)
    for axis in range(3):
        for step in (-1, 1):
            moved = index.copy()
            moved[:, axis] += step
            inner &= grid[tuple(moved.T)]
    return voxels[~inner]


def visible_from(views: list[View], points: np.ndarray, cell_px: float = 4.0, tolerance_m: float = 0.012) -> np.ndarray:
    """Return the points (M, 3) that some view sees in front of the others: the hull's far side is nobody's to learn."""
    seen = np.zeros(len(points), bool)
    for view in views:
        pixels, within, _ = _pixels(view, points)
        depth = points @ view.camera.w2c[2, :3] + view.camera.w2c[2, 3]
        cells = (pixels / cell_px).astype(int)
        nearest = np.full((view.camera.height // int(cell_px) + 2, view.camera.width // int(cell_px) + 2), np.inf)
        np.minimum.at(nearest, (cells[within, 1], cells[within, 0]), depth[within])
        seen |= within & (depth < nearest[cells[:, 1], cells[:, 0]] + tolerance_m)
    return points[seen]


def _on_face(points: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return points (count, 3) spread evenly by area over the triangles whose corners are known."""
    corners = points[face_model().triangles]
    corners = corners[np.isfinite(corners).all((1, 2))]
    if not len(corners):
        return np.zeros((0, 3))
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = corners[random.choice(len(corners), count, p=area / area.sum())]
    u, v = np.sqrt(random.uniform(size=count)), random.uniform(size=count)
    return chosen[:, 0] * (1 - u)[:, None] + chosen[:, 1] * (u * (1 - v))[:, None] + chosen[:, 2] * (u * v)[:, None]


def sample_colours(views: list[View], points: np.ndarray) -> np.ndarray:
    """Return colours (N, 3): the views' own, weighted towards those that face a point most squarely."""
    centre = points.mean(0)
    normal = points - centre
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    total, weight = np.zeros((len(points), 3)), np.full((len(points), 1), 1e-9)
    for view in views:
        pixels, within, _ = _pixels(view, points)
        towards = view.camera.position - points
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        facing = np.clip((towards * normal).sum(1), 0.0, 1.0) ** 6 + 1e-6
        share = (facing * within * view.mask[pixels[:, 1], pixels[:, 0]])[:, None]
        total += view.image[pixels[:, 1], pixels[:, 0]] * share
        weight += share
    return np.clip(total / weight, 0.02, 0.98).astype(np.float32)
