# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth Anything V2 Small, if an artist asks for it: a network's guess at hair, ears and shoulders instead of proportions.

It is no part of the extension. It needs torch and transformers in the backend's Python and about 100 MB of weights
(Apache-2.0), which are fetched only when the job's options say ``allow_download``; nothing else here touches a network.
"""
from __future__ import annotations

import importlib.util
import logging
import os

import cv2
import numpy as np

from ..contract.errors import GazeSplatError

LOG = logging.getLogger(__name__)

MODEL_NAME, MODEL_MEGABYTES = "depth-anything/Depth-Anything-V2-Small-hf", 99
NETWORK, MESH = "depth-anything", "mesh"
_SHORT_SIDE_PX = 518                                    # what the network was trained with
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)     # of ImageNet's colours


def wanted(options: dict) -> bool:
    """Tell whether the options ask for the network: ``depth`` is "mesh" (the default) or "depth-anything"; else ``bad-option``."""
    kind = options.get("depth") or MESH
    if kind not in (MESH, NETWORK):
        raise GazeSplatError("bad-option", f"The depth '{kind}' is unknown.", f"Choose '{MESH}' or '{NETWORK}'.")
    return kind == NETWORK


def relative_nearness(image: np.ndarray, options: dict) -> np.ndarray:
    """Return what the network sees in a picture (H, W, 3) 0..1: inverse depth (H, W) up to scale and shift, float32.

    Options: ``depth_model`` (a folder with the weights; by default the cache of Hugging Face), ``allow_download``.
    Raises GazeSplatError ``depth-packages-missing``, ``model-missing`` or ``model-download-failed``.
    """
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise GazeSplatError("depth-packages-missing", f"The depth network needs {' and '.join(missing)} in the backend's Python.",
                             "Install them there (pip install torch==2.13.0 transformers), or leave the option 'depth' out.")
    network = _load(options)
    import torch

    height, width = image.shape[:2]
    patch = int(network.config.patch_size)
    scale = min(1.0, _SHORT_SIDE_PX / min(height, width))
    size = tuple(max(patch, patch * round(scale * side / patch)) for side in (width, height))
    small = cv2.resize(np.ascontiguousarray(image, np.float32), size, interpolation=cv2.INTER_AREA)
    pixels = torch.from_numpy(((small - _MEAN) / _SPREAD).astype(np.float32).transpose(2, 0, 1)[None].copy())
    with torch.inference_mode():
        nearness = network(pixel_values=pixels).predicted_depth[0].float().numpy()
    return cv2.resize(nearness, (width, height), interpolation=cv2.INTER_CUBIC)


def _load(options: dict) -> object:
    """Return the network, ready for inference on the CPU."""
    may_download = options.get("allow_download") is True
    if not may_download:
        os.environ["HF_HUB_OFFLINE"] = "1"              # read when the library is imported
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers import DepthAnythingForDepthEstimation

    source = str(options.get("depth_model") or MODEL_NAME)
    try:
        network = DepthAnythingForDepthEstimation.from_pretrained(source, local_files_only=not may_download, use_safetensors=True)
    except (OSError, ValueError) as error:
        LOG.info("loading %s: %s", source, error)
        if may_download:
            raise GazeSplatError("model-download-failed", f"The depth network could not be fetched from {source}.",
                                 "Check the connection, or leave the option 'depth' out.") from error
        raise GazeSplatError(
            "model-missing", f"The depth network's weights ({MODEL_MEGABYTES} MB) are not on this computer.",
            f"Allow the download with the option allow_download=true, or fetch them yourself: hf download {MODEL_NAME}.") from error
    return network.eval()
