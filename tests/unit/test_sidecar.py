# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar survives a round trip and refuses what it cannot trust."""
from __future__ import annotations

import json

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar, save_sidecar
from tests.synthetic import synthetic_portrait


@pytest.fixture
def saved(tmp_path):
    _, groups, rig = synthetic_portrait(head_count=50)
    save_sidecar(tmp_path, rig, groups)
    return tmp_path, groups, rig


def edit(folder, **changes):
    path = folder / "portrait.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def code_of(folder, count):
    with pytest.raises(GazeSplatError) as caught:
        load_sidecar(folder, count)
    assert caught.value.hint
    return caught.value.code


def test_round_trip(saved):
    folder, groups, rig = saved
    loaded, loaded_groups = load_sidecar(folder, len(groups))
    assert loaded == rig
    assert np.array_equal(loaded_groups, groups)
    assert sorted(p.name for p in folder.iterdir()) == ["portrait.json", "portrait.npz"]


def test_fields_of_a_later_minor_version_are_ignored(saved):
    folder, groups, rig = saved
    edit(folder, tear_film={"strength": 1})
    assert load_sidecar(folder, len(groups))[0] == rig


@pytest.mark.parametrize("changes,code", [({"version": 99}, "sidecar-newer"), ({"format": "glTF"}, "sidecar-invalid"),
                                          ({"eyes": {"left": {"centre_m": [0, 0, 0]}}}, "sidecar-invalid"),
                                          ({"eyes": 7}, "sidecar-invalid")])
def test_foreign_or_damaged_json_is_refused(saved, changes, code):
    folder, groups, _ = saved
    edit(folder, **changes)
    assert code_of(folder, len(groups)) == code


def test_another_portraits_sidecar_is_refused(saved):
    folder, groups, _ = saved
    assert code_of(folder, len(groups) + 1) == "sidecar-mismatch"


def test_another_portraits_sidecar_is_refused_though_it_has_as_many_splats(tmp_path):
    splats, groups, rig = synthetic_portrait(head_count=50)
    other = synthetic_portrait(seed=1, head_count=50)[0]
    save_sidecar(tmp_path, rig, groups, splats.means)
    assert len(other) == len(splats)
    assert load_sidecar(tmp_path, len(groups), splats.means + np.float32(4e-4))[0] == rig, "as much as SPZ rounds"
    with pytest.raises(GazeSplatError) as refused:
        load_sidecar(tmp_path, len(groups), other.means)
    assert refused.value.code == "sidecar-mismatch" and refused.value.hint
    save_sidecar(tmp_path, rig, groups)
    assert load_sidecar(tmp_path, len(groups), other.means)[0] == rig, "earlier sidecars do not say whose they are"


def test_missing_truncated_and_pickled_archives_are_refused(saved):
    folder, groups, _ = saved
    archive = folder / "portrait.npz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert code_of(folder, len(groups)) == "sidecar-invalid"
    np.savez(archive, groups=np.array([{"code": "object"}], dtype=object))
    assert code_of(folder, len(groups)) == "sidecar-invalid"
    archive.unlink()
    assert code_of(folder, len(groups)) == "sidecar-missing"
