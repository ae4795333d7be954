# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile files: nothing that is read is executed, written elsewhere, or believed about its size (docs/faults.md)."""
from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.rig.sidecar import load_sidecar, save_sidecar
from gazesplat.gazesplat_addon.splat import npz
from tests.fuzz_files import HEADERS, array_with_header
from tests.synthetic import synthetic_portrait

INPUTS, BY_BACKEND = 500, 13    # eleven kinds of pictures, a whole scan, and what is kept of a clip
READERS = ("job.json", "pid.json", "events.jsonl", "portrait.json", "motion preset", "portrait.scan.json", "portrait.npz",
           "portrait.linear.npz", "readings.npz")


@pytest.mark.filterwarnings("ignore")
def test_no_damaged_json_archive_or_picture_escapes(root):
    """In a process of its own whose memory is limited; docs/faults.md says how many inputs."""
    done = subprocess.run([sys.executable, "-I", root / "tests" / "fuzz_files.py", "0", str(INPUTS)], capture_output=True, text=True,
                          env={"OPENBLAS_NUM_THREADS": "1", "PATH": ""}, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert set(READERS) <= set(counts) and len(counts) in (len(READERS), len(READERS) + BY_BACKEND)
    for name, (tried, read, refused) in counts.items():
        assert tried == INPUTS == read + refused, name
        assert refused > 5, f"{name}: nothing was damaged"
        assert read > 5 or "picture" in name, f"{name}: nothing was left whole"
    table = (root / "docs" / "faults.md").read_text("utf-8")
    said = re.search(r"([\d,]+) damaged JSON, archive and picture files", table)[1]
    assert int(said.replace(",", "")) == INPUTS * (len(READERS) + BY_BACKEND)


@pytest.fixture
def saved(tmp_path):
    """A portrait's sidecar with (folder, count)."""
    _, groups, rig = synthetic_portrait(head_count=50)
    (tmp_path / "portrait").mkdir()
    save_sidecar(tmp_path / "portrait", rig, groups)
    return tmp_path / "portrait", len(groups)


def write_members(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, body in members.items():
            archive.writestr(name, body)


def refusal(folder: Path, count: int) -> str:
    with pytest.raises(GazeSplatError) as refused:
        load_sidecar(folder, count)
    assert refused.value.hint and refused.value.message.count(". ") == 0
    return refused.value.code


def refusal_and_bytes(folder: Path, count: int) -> tuple[str, bool]:
    """Return the code, and whether it took less than a megabyte; modules are loaded before."""
    refusal(folder, count)
    tracemalloc.start()
    try:
        return refusal(folder, count), tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_archive_that_claims_terabytes_takes_no_memory(saved):
    folder, count = saved
    write_members(folder / "portrait.npz", {"groups.npy": array_with_header(HEADERS[0], bytes(64))})
    assert (folder / "portrait.npz").stat().st_size < 500
    with pytest.raises((MemoryError, ValueError)):
        np.load(folder / "portrait.npz", allow_pickle=False)["groups"]    # what numpy itself makes of it
    assert refusal_and_bytes(folder, count) == ("sidecar-invalid", True)


def test_a_small_archive_that_inflates_to_much_is_not_inflated(saved):
    folder, count = saved
    write_members(folder / "portrait.npz", {"groups.npy": array_with_header(HEADERS[0], bytes(64 << 20))})
    assert (folder / "portrait.npz").stat().st_size < 400_000
    assert refusal_and_bytes(folder, count) == ("sidecar-mismatch", True)


def test_a_directory_that_lies_about_sizes_is_not_believed(saved):
    """What inflates beyond the size in the archive's directory is cut off there, and does not match its own header."""
    folder, count = saved
    path = folder / "portrait.npz"
    write_members(path, {"groups.npy": array_with_header(HEADERS[0], bytes(1 << 24))})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    data[at:at + 4] = (count + 128).to_bytes(4, "little")
    path.write_bytes(data)
    assert refusal_and_bytes(folder, count) == ("sidecar-invalid", True)


class Executed:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_not_unpickled(saved, tmp_path):
    folder, count = saved
    trap = Executed(tmp_path / "executed")
    pickled = pickle.dumps(trap)
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    for members in ({"groups.npy": pickled}, {"groups.npy": array_with_header(header, pickled)}, {"groups.pkl": pickled}):
        write_members(folder / "portrait.npz", members)
        assert refusal(folder, count) == "sidecar-invalid"
    (folder / "portrait.npz").write_bytes(pickled)
    assert refusal(folder, count) == "sidecar-invalid"
    assert not trap.path.exists()
    pickle.loads(pickled)
    assert trap.path.exists(), "the trap works"


def test_nothing_is_unpacked_whatever_members_are_called(saved, tmp_path):
    folder, count = saved
    whole = (folder / "portrait.npz").read_bytes()
    with zipfile.ZipFile(folder / "portrait.npz") as archive:
        groups = archive.read("groups.npy")
    before = sorted(tmp_path.rglob("*"))
    write_members(folder / "portrait.npz", {"../../escaped.npy": groups, "/tmp/escaped.npy": groups, "..\\escaped": groups,
                                            "groups.npy": groups, "inner.npz": whole})
    assert load_sidecar(folder, count)[1].shape == (count,), "what else lies in it is nobody's"
    write_members(folder / "portrait.npz", {"../groups.npy": groups, "inner.npz": whole})
    assert refusal(folder, count) == "sidecar-invalid"
    assert sorted(tmp_path.rglob("*")) == before and not Path("/tmp/escaped.npy").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_only_what_numpy_itself_writes_is_unpacked(saved, method):
    """LZMA alone may claim gigabytes for its dictionary."""
    folder, count = saved
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }"
    write_members(folder / "portrait.npz", {"groups.npy": array_with_header(header, b"x")}, method)
    assert refusal(folder, count) == "sidecar-invalid"


def test_what_numpy_writes_is_read(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.asfortranarray(np.eye(3)), "c": np.float16(2.0), "d": np.zeros((0, 3)),
              "e": np.array([True])}
    for save in (np.savez, np.savez_compressed):
        with (tmp_path / "a.npz").open("wb") as file:
            save(file, **arrays)
        found = npz.read_arrays(tmp_path / "a.npz", {name: 256 for name in arrays})
        assert all(np.array_equal(found[name], arrays[name]) and found[name].dtype == np.asarray(arrays[name]).dtype for name in arrays)
        assert found["a"].flags.writeable
    with pytest.raises(npz.ArrayTooLarge):
        npz.read_arrays(tmp_path / "a.npz", {"a": -4096})
    with pytest.raises(ValueError, match="lacks"):
        npz.read_arrays(tmp_path / "a.npz", {"f": 256})
