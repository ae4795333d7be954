# SPDX-License-Identifier: GPL-3.0-or-later
"""The optional depth network: asked for by name, never fetched unasked, and its loading code on a tiny random one."""
from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.model import depth_network

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))
needs_network = pytest.mark.skipif(not INSTALLED, reason="torch and transformers are not installed")
PICTURE = np.random.default_rng(0).random((120, 160, 3)).astype(np.float32)


@pytest.mark.parametrize(("options", "expected"), [({}, False), ({"depth": "mesh"}, False), ({"depth": "depth-anything"}, True)])
def test_only_when_asked_for(options: dict, expected: bool) -> None:
    assert depth_network.wanted(options) is expected


def test_unknown_depth_is_refused() -> None:
    with pytest.raises(GazeSplatError) as caught:
        depth_network.wanted({"depth": "midas"})
    assert caught.value.code == "bad-option"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GazeSplatError) as caught:
        depth_network.relative_nearness(PICTURE, {"depth": "depth-anything"})
    assert caught.value.code == "depth-packages-missing" and "torch and transformers" in caught.value.message


@needs_network
def test_weights_are_not_fetched_unasked(tmp_path: Path) -> None:
    with pytest.raises(GazeSplatError) as caught:
        depth_network.relative_nearness(PICTURE, {"depth_model": str(tmp_path)})
    assert caught.value.code == "model-missing" and "99 MB" in caught.value.message and "allow_download" in caught.value.hint


@needs_network
def test_tiny_random_network_is_loaded_from_disk(tmp_path: Path) -> None:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(hidden_size=32, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=518, patch_size=14,
                            out_indices=[1, 2, 3, 4], apply_layernorm=True, reshape_hidden_states=False)
    config = DepthAnythingConfig(backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 16, 16, 16],
                                 fusion_hidden_size=8, head_hidden_size=8, patch_size=14)
    DepthAnythingForDepthEstimation(config).save_pretrained(tmp_path)
    nearness = depth_network.relative_nearness(PICTURE, {"depth_model": str(tmp_path)})
    assert nearness.shape == PICTURE.shape[:2] and nearness.dtype == np.float32 and np.isfinite(nearness).all()
    assert np.array_equal(nearness, depth_network.relative_nearness(PICTURE, {"depth_model": str(tmp_path)}))
