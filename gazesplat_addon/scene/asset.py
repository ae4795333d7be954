# SPDX-License-Identifier: GPL-3.0-or-later
"""A portrait in the asset browser: its collection, with its picture, so that it is dragged into other files rig and all."""
from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ...backend.contract.errors import GazeSplatError
from . import store

PREVIEW_NAME = "preview.png"
SIDE_PX = 256
LARGEST_BYTES = 16 << 20


def mark(root: bpy.types.Object) -> bpy.types.Collection:
    """Mark the collection of a portrait as an asset and return it; what it had of tags and catalogues stays.

    Raises GazeSplatError ``no-collection`` where the artist has taken it apart.
    """
    collection = next((one for one in root.users_collection if store.COLLECTION_KEY in one), None)
    if collection is None:
        raise GazeSplatError("no-collection", f"{root.name} is no longer in a collection of its own.",
                             "Mark a collection of yours as an asset, with all of the portrait's parts in it.")
    collection.asset_mark()
    known, data = store.provenance_of(root), collection.asset_data
    data.description = "GazeSplat portrait" + (f" of {known['person']}" if known.get("person") else "")
    if known.get("consent"):
        data.license = str(known["consent"])[:256]
    for tag in ("GazeSplat", "portrait"):
        data.tags.new(tag, skip_if_exists=True)
    _show_picture(collection, Path(bpy.path.abspath(root[store.ROOT_KEY]["folder"])) / PREVIEW_NAME)
    return collection


def _show_picture(collection: bpy.types.Collection, path: Path) -> None:
    """Take the middle of the reconstruction's preview; where there is none, Blender draws one itself in time."""
    if not path.is_file() or not 0 < path.stat().st_size <= LARGEST_BYTES:
        collection.asset_generate_preview()
        return
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        if not width or not height:
            collection.asset_generate_preview()
            return
        pixels = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(pixels)
        picture = pixels.reshape(height, width, image.channels)
    finally:
        bpy.data.images.remove(image)
    side = min(width, height)
    rows, columns = (np.linspace(0, side - 1, SIDE_PX).astype(int) + (whole - side) // 2 for whole in (height, width))
    square = np.ones((SIDE_PX, SIDE_PX, 4), np.float32)
    square[..., :min(4, picture.shape[2])] = picture[np.ix_(rows, columns)][..., :4]
    preview = collection.preview_ensure()
    preview.image_size = (SIDE_PX, SIDE_PX)
    preview.image_pixels_float.foreach_set(square.ravel())
