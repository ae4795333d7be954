# SPDX-License-Identifier: GPL-3.0-or-later
"""Structure from motion, as a process of its own: it can be killed at any moment, and a crash inside COLMAP stays here.

Run by file name with one argument, a request in JSON (see sfm.py, which starts it). Lines "progress NAME" on standard
output say how far it is; ``out`` appears when it has succeeded. Exit code 3: no model could be made. It ends when its
standard input does: whoever started it is gone, and the next try writes the same files.
"""
import json
import os
import shutil
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

NO_MODEL = 3


def main(request_path: str) -> int:
    """Run one request; return the exit code."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    request = json.loads(Path(request_path).read_text("utf-8"))
    folder, images, threads = Path(request["folder"]), Path(request["images"]), int(request["threads"])
    pycolmap.set_random_seed(0)
    pycolmap.logging.minloglevel = pycolmap.logging.WARNING
    found, database = Path(request["found"]), folder / "database.db"
    if not found.is_file():
        _say("features")
        _extract(found, images, request)
    _forget(database)
    shutil.copyfile(found, database)
    _thin_out(database, Path(request["masks"]), 0 if request["head_only"] else int(request["most"]))
    _say("matches")
    matching = pycolmap.FeatureMatchingOptions()
    matching.num_threads, matching.use_gpu = threads, False
    pycolmap.match_exhaustive(database, matching_options=matching, device=pycolmap.Device.cpu)
    _say("cameras")
    models = _map(database, images, folder / "sparse", threads)
    if not models:
        return NO_MODEL
    best = max(models.values(), key=lambda model: (model.num_reg_images(), model.num_points3D()))
    _say("points")
    best.extract_colors_for_all_images(images)
    _write(best, Path(request["out"]))
    return 0


def _end_with_starter() -> None:
    # Not by sys.stdin, whose lock a thread would hold while the interpreter shuts down.
    os.read(0, 1)
    os._exit(1)


def _forget(database: Path) -> None:
    """Remove a database that a killed run left, and its journals, which SQLite would apply to the new one."""
    for ending in ("", "-wal", "-shm", "-journal"):
        database.with_name(database.name + ending).unlink(missing_ok=True)


def _extract(found: Path, images: Path, request: dict) -> None:
    """Find features in the whole pictures; ``found`` appears when all are there."""
    part = found.with_name(found.name + ".part")
    _forget(part)
    options = pycolmap.FeatureExtractionOptions()
    options.num_threads, options.use_gpu = int(request["threads"]), False
    options.sift.max_num_features, options.sift.peak_threshold = int(request["features"]), float(request["peak"])
    pycolmap.extract_features(part, images, image_names=request["names"], camera_mode=pycolmap.CameraMode.SINGLE,
                              reader_options=pycolmap.ImageReaderOptions(camera_model="SIMPLE_RADIAL"),
                              extraction_options=options, device=pycolmap.Device.cpu)
    part.replace(found)


def _thin_out(database: Path, masks: Path, most: int) -> None:
    """Keep the features inside the masks, and of the others as many as make ``most``, in a database of COLMAP.

    It is SQLite: rows of float32 (keypoints) and of bytes (descriptors). Matching time grows with the square of the features.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        for image, name in connection.execute("SELECT image_id, name FROM images").fetchall():
            mask = np.asarray(Image.open(masks / name)) > 127
            row = connection.execute("SELECT rows, cols, data FROM keypoints WHERE image_id = ?", (image,)).fetchone()
            if not row[0]:
                continue        # a picture without features, as of a lens that was covered
            keypoints = np.frombuffer(row[2], np.float32).reshape(row[0], row[1])
            x, y = np.clip(keypoints[:, :2].T.astype(int), 0, np.array(mask.shape[::-1])[:, None] - 1)
            kept_rows = mask[y, x]
            outside = np.flatnonzero(~kept_rows)
            room = min(max(0, most - int(kept_rows.sum())), len(outside))
            kept_rows[outside[np.linspace(0, len(outside) - 1, room).astype(int)]] = True
            for table, dtype in (("keypoints", np.float32), ("descriptors", np.uint8)):
                rows, columns, data = connection.execute(f"SELECT rows, cols, data FROM {table} WHERE image_id = ?", (image,)).fetchone()
                kept = np.frombuffer(data, dtype).reshape(rows, columns)[kept_rows]
                connection.execute(f"UPDATE {table} SET rows = ?, data = ? WHERE image_id = ?", (len(kept), kept.tobytes(), image))


def _map(database: Path, images: Path, sparse: Path, threads: int) -> dict:
    sparse.mkdir(exist_ok=True)
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads, options.max_num_models, options.min_model_size = threads, 5, 4
    options.extract_colors = False
    return pycolmap.incremental_mapping(database, images, sparse, options)


def _write(model: pycolmap.Reconstruction, out: Path) -> None:
    seen = sorted((image for image in model.images.values() if image.has_pose), key=lambda image: image.name)
    focal, cx, cy, radial = next(iter(model.cameras.values())).params
    points = list(model.points3D.values())
    part = out.with_name(out.name + ".part")
    with part.open("wb") as file:
        np.savez(file, names=np.array([image.name for image in seen]),
                 world_to_camera=np.array([image.cam_from_world().matrix() for image in seen]),
                 lens=np.array([focal, cx, cy, radial]),
                 points=np.array([point.xyz for point in points]).reshape(-1, 3),
                 colours=np.array([point.color for point in points], np.uint8).reshape(-1, 3),
                 track=np.array([point.track.length() for point in points]),
                 error_px=np.array([point.error for point in points]))
    part.replace(out)


def _say(name: str) -> None:
    sys.stdout.write(f"progress {name}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
