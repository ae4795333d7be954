# SPDX-License-Identifier: GPL-3.0-or-later
"""SPZ files survive a round trip within the format's steps, agree with another reader, and are refused in words when they are broken."""
from __future__ import annotations

import gzip
import struct
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.gazesplat_addon.splat import spz
from gazesplat.gazesplat_addon.splat.arrays import SH_C0, Splats, rotation_matrices
from gazesplat.gazesplat_addon.splat.harmonics import colours
from gazesplat.gazesplat_addon.splat.spz import read_spz, write_spz

hypothesis = pytest.importorskip("hypothesis", reason="the fuzz tests need hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FUZZ_INPUTS = 1000   # for each of the three kinds of damage
SPZ_CODES = {"spz-not-spz", "spz-newer", "spz-header", "spz-truncated", "spz-damaged", "spz-empty"}
C, S = np.sqrt(0.5), 1.0 / 1.41421356


def made_up(count: int, terms: int = 15, seed: int = 0) -> Splats:
    """Return splats within the format's range."""
    rng = np.random.default_rng(seed)
    rotations = rng.normal(size=(count, 4))
    rotations /= np.linalg.norm(rotations, axis=1, keepdims=True)
    arrays = (rng.normal(size=(count, 3)), np.exp(rng.uniform(-9.5, 2, (count, 3))), rotations, rng.uniform(0.0, 1.0, count),
              rng.uniform(-0.4, 1.4, (count, 3)), rng.uniform(-0.3, 0.3, size=(count, terms, 3)))
    return Splats(*(a.astype(np.float32) for a in arrays))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "splats.spz"


def body(count: int, *, degree: int = 0, version: int = 3, seed: int = 0) -> bytes:
    """Return random bytes of the right length: any of them are splats."""
    return np.random.default_rng(seed).bytes(count * (16 + (4 if version == 3 else 3) + 3 * (0, 3, 8, 15, 24)[degree]))


def file_of(path: Path, count: int = 20, *, degree: int = 0, version: int = 3, bits: int = 12, flags: int = 0, magic: int = spz.MAGIC,
            claimed: int | None = None, content: bytes | None = None) -> Path:
    """Write a file whose header and body need not fit together."""
    header = struct.pack("<IIIBBBB", magic, version, count if claimed is None else claimed, degree, bits, flags, 0)
    path.write_bytes(gzip.compress(header + (body(count, degree=degree, version=version) if content is None else content)))
    return path


def refused(path: Path) -> GazeSplatError:
    with pytest.raises(GazeSplatError) as caught:
        read_spz(path)
    error = caught.value
    assert error.hint.endswith(".") and error.message.endswith(".") and "\n" not in str(error) and len(error.message) < 300
    return error


# What is written and read.

@pytest.mark.parametrize("terms", [0, 3, 8, 15])
@pytest.mark.parametrize("count", [1, 3000])
def test_round_trip_within_the_formats_steps(path, count, terms):
    splats = made_up(count, terms)
    write_spz(path, splats)
    got = read_spz(str(path))
    np.testing.assert_allclose(got.means, splats.means, atol=2e-6)
    np.testing.assert_allclose(np.log(got.scales), np.log(splats.scales), atol=0.5 / 16 + 1e-5)
    np.testing.assert_allclose(rotation_matrices(got.rotations), rotation_matrices(splats.rotations), atol=0.005)
    np.testing.assert_allclose(got.opacities, splats.opacities, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(got.colours, splats.colours, atol=0.5 / 255 * SH_C0 / 0.15 + 1e-6)
    np.testing.assert_allclose(got.sh_rest, splats.sh_rest, atol=0.012)   # half a step of each coefficient that a turn mixes
    assert all(getattr(got, f.name).dtype == np.float32 for f in fields(got))
    assert [p.name for p in path.parent.iterdir()] == ["splats.spz"]
    np.testing.assert_allclose(np.linalg.norm(got.rotations, axis=1), 1.0, atol=1e-6)


def test_the_layout_is_the_formats_to_the_byte(path):
    """One splat, worked out by hand: Blender's (1, 2, 3) is x 1, y 3, z -2; a quarter turn about x is undone by the axes."""
    splats = Splats(np.float32([[1, 2, 3]]), np.exp(np.float32([[-10, -9, 5]])), np.float32([[C, C, 0, 0]]), np.float32([0.2]),
                    np.float32([[0.5, 0.5 + SH_C0, 0.5]]), np.float32([[[0.5, 0, 0], [0, 0.25, 0], [0, 0, -1]]]))
    write_spz(path, splats)
    content = gzip.decompress(path.read_bytes())
    assert content[:16] == struct.pack("<IIIBBBB", 0x5053474E, 3, 1, 1, 21, 0, 0)
    fixed = b"".join(struct.pack("<i", n << 21)[:3] for n in (1, 3, -2))
    assert content[16:25] == fixed
    assert content[25] == 51 and content[26:29] == bytes([128, 166, 128])      # 0.5 + 0.15 of 255; 127.5 goes to the even number
    assert content[29:32] == bytes([0, 16, 240])
    assert content[32:36] == struct.pack("<I", 3 << 30)                        # w is the largest, nothing else
    # Degree 1 is -y, z, -x: what stands on Blender's y and z axes goes to -z and y.
    assert content[36:] == bytes([128, 96, 128, 192, 128, 128, 128, 128, 0])


def test_the_same_splat_is_seen_after_the_change_of_axes(path):
    splats = made_up(400, 15)
    write_spz(path, splats)
    got = read_spz(path)
    eye = np.float32([3.0, -2.0, 1.0])
    np.testing.assert_allclose(colours(got, got.means, eye), colours(splats, splats.means, eye), atol=0.05)


@pytest.mark.parametrize("version, at, first, wxyz", [
    (2, 16, bytes([255, 128, 128]), (0.0, 1.0, 0.0, 0.0)), (2, 16, bytes([0, 128, 128]), (0.0, -1.0, 0.0, 0.0)),
    (2, 16, bytes([255, 255, 255]), (0.0, 0.577, 0.577, 0.577)), (3, 16, struct.pack("<I", 511 << 20), (0.0, S, S, 0.0)),
    (3, 16, struct.pack("<I", 1 << 30 | 1023 << 10), (0.0, 0.0, S, -S)), (3, 16, struct.pack("<I", 3 << 30), (1.0, 0.0, 0.0, 0.0))])
def test_rotations_of_both_versions(path, version, at, first, wxyz):
    file_of(path, 1, version=version, content=bytes(at) + first)
    got = rotation_matrices(read_spz(path).rotations)[0]
    np.testing.assert_allclose(got, spz.TO_BLENDER @ rotation_matrices(np.array([wxyz]))[0], atol=0.02)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_every_pattern_of_bytes_is_a_splat(path, version, degree, seed):
    file_of(path, 3000, degree=degree, version=version, content=body(3000, degree=degree, version=version, seed=seed))
    got = read_spz(path)
    assert len(got) == 3000 and got.sh_degree == min(degree, 3)
    assert all(np.isfinite(getattr(got, f.name)).all() for f in fields(got)) and (got.scales > 0).all()
    np.testing.assert_allclose(np.linalg.norm(got.rotations, axis=1), 1.0, atol=1e-5)


def test_far_splats_keep_what_room_there_is(path):
    splats = made_up(10)
    for reach, step in ((1.0, 2.0 ** -22), (1000.0, 2.0 ** -13), (1e6, 2.0 ** -3)):
        far = replace(splats, means=splats.means / np.abs(splats.means).max() * np.float32(reach))
        write_spz(path, far)
        np.testing.assert_allclose(read_spz(path).means, far.means, atol=step, rtol=2e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e7])
def test_what_the_format_cannot_hold_is_refused(path, value):
    splats = made_up(4)
    splats.means[2, 1] = value
    with pytest.raises(GazeSplatError) as caught:
        write_spz(path, splats)
    assert caught.value.code == "spz-values" and not list(path.parent.iterdir())


def test_no_splats_are_not_written(path):
    with pytest.raises(GazeSplatError) as caught:
        write_spz(path, made_up(3).select(np.zeros(0, int)))
    assert caught.value.code == "spz-empty" and not list(path.parent.iterdir())


def test_a_full_disk_leaves_nothing(path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_spz(path, made_up(3))
    assert not list(path.parent.iterdir())


# What is refused.

NOISE = np.random.default_rng(0).bytes(10_000_000)


@pytest.mark.parametrize("content", [b"", b"p", b"ply\n", b"\x1f\x8b", b"\x89PNG\r\n\x1a\n", bytes(4096), NOISE, NOISE],
                         ids=["empty", "letter", "ply", "gzip cut", "png", "zeros", "10 MB of noise", "noise called gzip"])
def test_other_files_are_not_spz(path, content, request):
    if "called gzip" in request.node.name:
        content = b"\x1f\x8b\x08" + bytes(7) + content
    path.write_bytes(content)
    assert refused(path).code in {"spz-not-spz", "spz-truncated", "spz-damaged"}


def test_gzip_of_something_else_is_not_spz(path):
    path.write_bytes(gzip.compress(b"a letter to somebody, quite long"))
    assert refused(path).code == "spz-not-spz"


def test_missing_files_folders_and_permissions_are_named(tmp_path, path, monkeypatch):
    assert refused(tmp_path / "gone.spz").code == "spz-unreadable"
    assert refused(tmp_path).code == "spz-unreadable"

    def forbid(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbid)
    assert "Permission denied" in refused(path).message


def test_newer_files_are_named(path):
    assert "version 4" in refused(file_of(path, version=4)).message
    assert refused(file_of(path, version=1)).code == "spz-newer"
    path.write_bytes(b"NGSP" + bytes(200))
    assert refused(path).code == "spz-newer"
    assert refused(file_of(path, flags=2)).code == "spz-newer"


@pytest.mark.parametrize("wrong", [{"degree": 5, "content": bytes(400)}, {"bits": 25}, {"claimed": 10 ** 9}, {"claimed": 2 ** 32 - 5}])
def test_lying_headers_are_refused(path, wrong):
    assert refused(file_of(path, **wrong)).code == "spz-header"


@pytest.mark.parametrize("claimed", [21, 1000, 9_999_999])
def test_counts_beyond_the_file_are_refused_before_anything_is_allocated(path, claimed):
    assert refused(file_of(path, claimed=claimed)).code == "spz-truncated"


def test_a_small_file_that_inflates_to_gigabytes_is_not_inflated(path, monkeypatch):
    """100 MB of zeros in 100 kB behind an honest header of one splat: only the one splat is taken."""
    header = struct.pack("<IIIBBBB", spz.MAGIC, 3, 1, 0, 12, 0, 0)
    path.write_bytes(gzip.compress(header + bytes(100_000_000), 9))
    pieces = []
    take = spz._Inflater.take
    monkeypatch.setattr(spz._Inflater, "take", lambda self, size: pieces.append(size) or take(self, size))
    assert len(read_spz(path)) == 1
    assert sum(pieces) == 16 + 20


def test_no_splats_are_empty(path):
    assert refused(file_of(path, 0)).code == "spz-empty"


def test_one_splat_is_enough(path):
    assert len(read_spz(file_of(path, 1))) == 1


@pytest.mark.parametrize("keep", [2, 10, 18, 30, -1, -8, -100])
def test_cut_files_are_refused(path, keep):
    path.write_bytes(file_of(path, 200, degree=3).read_bytes()[:keep])
    assert refused(path).code == "spz-truncated"


def test_a_flipped_bit_is_noticed_by_the_checksum(path):
    content = bytearray(file_of(path, 200, degree=3).read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert refused(path).code in {"spz-damaged", "spz-truncated"}


# Fuzz: whatever the bytes, the answer is splats or one of our refusals. 3 x FUZZ_INPUTS = 3,000 inputs a run.

FUZZ = settings(max_examples=FUZZ_INPUTS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True,
                database=None)


def outcome(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        splats = read_spz(path)
    except GazeSplatError as error:
        assert error.code in SPZ_CODES and error.hint
        return
    assert len(splats) and all(np.isfinite(getattr(splats, f.name)).all() for f in fields(splats))


@FUZZ
@given(at=st.floats(0.0, 1.0, exclude_max=True), removed=st.integers(0, 12), inserted=st.binary(max_size=12))
def test_fuzzed_files_never_escape(path, at, removed, inserted):
    content = file_of(path, 20, degree=2).read_bytes()
    start = int(at * len(content))
    outcome(path, content[:start] + inserted + content[start + removed:])


@FUZZ
@given(header=st.binary(min_size=12, max_size=12), length=st.integers(0, 900))
def test_fuzzed_headers_never_escape(path, header, length):
    outcome(path, gzip.compress(struct.pack("<I", spz.MAGIC) + header + bytes(length), 1))


@FUZZ
@given(version=st.sampled_from([0, 1, 2, 3, 4, 255]), count=st.one_of(st.integers(0, 30), st.integers(0, 2 ** 32 - 1)),
       rest=st.tuples(*[st.integers(0, 255)] * 4), small=st.booleans(), length=st.integers(0, 3000))
def test_fuzzed_fields_never_escape(path, version, count, rest, small, length):
    degree, bits, flags, _ = (value % 6 if small else value for value in rest)
    header = struct.pack("<IIIBBBB", spz.MAGIC, version, count, degree, bits, flags if not small else 0, 0)
    outcome(path, gzip.compress(header + bytes(range(256)) * 12, 1)[:length or None])


# An outside opinion.

@pytest.mark.parametrize("terms", [0, 3, 8, 15])
def test_gsply_reads_what_we_write_and_we_read_what_it_writes(path, terms):
    gsply = pytest.importorskip("gsply", reason="the oracle gsply is not installed")
    from gsply.spz import read_spz as read_theirs
    from gsply.spz import write_spz as write_theirs

    splats = made_up(300, terms)
    write_spz(path, splats)
    ours, theirs = read_spz(path), read_theirs(path)
    to_file = spz.TO_BLENDER.T.astype(np.float32)
    np.testing.assert_allclose(theirs.means, ours.means @ to_file.T, atol=1e-6)
    assert gsply.__version__
    again = path.with_name("again.spz")
    write_theirs(again, theirs)
    back = read_spz(again)
    np.testing.assert_allclose(back.means, ours.means, atol=2 ** -12)
    np.testing.assert_allclose(np.log(back.scales), np.log(ours.scales), atol=1e-4)
    np.testing.assert_allclose(back.opacities, ours.opacities, atol=1e-6)
    np.testing.assert_allclose(back.colours, ours.colours, atol=1e-5)
    np.testing.assert_allclose(rotation_matrices(back.rotations), rotation_matrices(ours.rotations), atol=0.005)
    np.testing.assert_allclose(back.sh_rest, ours.sh_rest, atol=0.25)   # it keeps 4 bits
