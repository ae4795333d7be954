# SPDX-License-Identifier: GPL-3.0-or-later
"""The file with a portrait's colours for linear blending: what goes in comes out, and what does not belong is refused."""
from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.splat import srgb
from gazesplat.gazesplat_addon.splat.linear_refit import LinearRefit, load_refit, path_beside, save_refit
from tests.synthetic import synthetic_portrait


@pytest.fixture
def splats():
    return synthetic_portrait(head_count=400)[0]


@pytest.fixture
def refit(splats):
    return LinearRefit(np.clip(splats.colours * 1.1, 0.0, 1.3), np.clip(splats.opacities * 0.9, 0.0, 1.0))


def test_a_refit_comes_back(tmp_path, splats, refit):
    path = path_beside(tmp_path / "mara.ply")
    assert path.name == "mara.linear.npz"
    save_refit(path, refit, splats)
    loaded = load_refit(path, splats)
    assert np.abs(loaded.colours - refit.colours).max() < 0.1 / 255.0 * 1.3
    assert np.abs(loaded.opacities - refit.opacities).max() < 0.1 / 255.0
    applied = loaded.applied(splats)
    assert applied.means is splats.means and applied.colours is loaded.colours
    assert [one.name for one in tmp_path.iterdir()] == ["mara.linear.npz"]


def test_none_without_a_file_or_for_other_splats(tmp_path, splats, refit):
    path = tmp_path / "portrait.linear.npz"
    assert load_refit(path, splats) is None
    save_refit(path, refit, splats)
    assert load_refit(path, splats.select(np.arange(len(splats) - 1))) is None
    assert load_refit(path, replace(splats, colours=splats.colours[::-1].copy())) is None
    assert load_refit(path, replace(splats, means=splats.means + np.float32(1e-7))) is not None, "rounding differs between processors"


def test_damaged_files_are_refused_in_words(tmp_path, splats, refit):
    path = tmp_path / "portrait.linear.npz"
    save_refit(path, refit, splats)
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-40], b"PK\x03\x04" + whole[40:]):
        path.write_bytes(damaged)
        with pytest.raises(GazeSplatError) as raised:
            load_refit(path, splats)
        assert raised.value.code == "refit-invalid" and raised.value.hint


def test_a_member_larger_than_it_may_be_is_not_unpacked(tmp_path, splats, refit):
    path = tmp_path / "portrait.linear.npz"
    save_refit(path, refit, splats)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["colours.npy"] += bytes(1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert load_refit(path, splats) is None


def test_infinite_colours_are_not_shown(tmp_path, splats, refit):
    path = tmp_path / "portrait.linear.npz"
    colours = refit.colours.copy()
    colours[3] = np.inf
    save_refit(path, LinearRefit(colours, refit.opacities), splats)
    assert load_refit(path, splats) is None


def test_a_newer_version_says_so(tmp_path, splats, refit):
    path = tmp_path / "portrait.linear.npz"
    save_refit(path, refit, splats)
    with np.load(path) as archive:
        found = dict(archive)
    np.savez(path, **{**found, "version": np.int32(99)})
    with pytest.raises(GazeSplatError) as raised:
        load_refit(path, splats)
    assert raised.value.code == "refit-newer"


def test_the_curve_and_its_slopes():
    display = np.linspace(0.0, 1.3, 2001)
    linear = srgb.decoded(display).astype(np.float64)
    np.testing.assert_allclose(srgb.encoded(linear), display, atol=1e-6)
    step = 1e-3
    inner = display[np.abs(display - 0.04045) > step][2:]
    rise = (srgb.decoded(inner + step).astype(float) - srgb.decoded(inner - step)) / (2 * step)
    np.testing.assert_allclose(srgb.decoded_slope(inner), rise, rtol=2e-3, atol=1e-4)
    np.testing.assert_allclose(srgb.decoded_slope(inner) * srgb.encoded_slope(srgb.decoded(inner)), 1.0, rtol=1e-3)
