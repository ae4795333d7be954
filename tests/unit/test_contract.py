# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two processes say to each other, and what each refuses to misread."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from gazesplat.backend.contract import events, inputs, paths, result
from gazesplat.backend.contract.errors import GazeSplatError
from gazesplat.backend.contract.job import JobSpec, read_job, write_job
from gazesplat.backend.contract.versions import PROTOCOL, extension_version


def test_job_survives_the_file(tmp_path):
    spec = JobSpec(id="j", kind="selfie", input="input/Mara Ödegård.jpg", quality="high", seed=7,
                   options={"splats": 1000}, versions={"blender": "4.5.15"})
    write_job(tmp_path, spec)
    assert read_job(tmp_path) == spec
    assert [p.name for p in tmp_path.iterdir()] == [paths.JOB]


def test_version_is_the_manifests(root):
    assert f'version = "{extension_version()}"' in (root / "blender_manifest.toml").read_text("utf-8")


@pytest.mark.parametrize("fields", [
    {"kind": "Selfie!"}, {"quality": "best"}, {"device": "tpu"}, {"seed": -1}, {"seed": True}, {"options": []},
    {"input": "/etc/passwd"}, {"input": "../../secret.jpg"}, {"input": "C:/x.jpg"}, {"input": "input\\x.jpg"},
])
def test_bad_job_is_refused(tmp_path, fields):
    job = {"protocol": PROTOCOL, "id": "j", "kind": "selfie", **fields}
    (tmp_path / paths.JOB).write_text(json.dumps(job), "utf-8")
    with pytest.raises(GazeSplatError) as refusal:
        read_job(tmp_path)
    assert refusal.value.code == "bad-job"
    assert refusal.value.hint


@pytest.mark.parametrize(("text", "code"), [
    ("{", "bad-job"), ("[]", "bad-job"), ("{}", "bad-job"), ('{"protocol": 1, "id": "j"}', "bad-job"),
    ('{"protocol": 1, "id": "j", "kind": "selfie", "novelty": 1}', "bad-job"),
    ('{"protocol": 99, "id": "j", "kind": "hologram", "novelty": 1}', "protocol-newer"),
])
def test_job_text_that_cannot_be_used(tmp_path, text, code):
    (tmp_path / paths.JOB).write_text(text, "utf-8")
    with pytest.raises(GazeSplatError) as refusal:
        read_job(tmp_path)
    assert refusal.value.code == code


def test_no_job(tmp_path):
    with pytest.raises(GazeSplatError, match=r"no job\.json"):
        read_job(tmp_path)


def test_events_are_lines_with_one_end(tmp_path):
    heard = []
    writer = events.Writer(tmp_path, heard.append)
    assert not writer.emit("progress", stage="s", fraction=0.5, text="Zeile\n2")
    (tmp_path / paths.CANCEL).touch()
    assert writer.emit("done", result="result")
    with pytest.raises(RuntimeError):
        writer.emit("failed", code="late", message="", hint="")
    with pytest.raises(ValueError, match="unknown event"):
        events.Writer.emit(writer, "tweet")
    writer.close()
    lines, taken = events.split_lines((tmp_path / paths.EVENTS).read_bytes())
    assert [events.parse(line)["type"] for line in lines] == ["progress", "done"]
    assert [events.parse(line) for line in lines] == heard
    assert taken == (tmp_path / paths.EVENTS).stat().st_size


def test_events_are_written_by_one_process_once(tmp_path):
    events.Writer(tmp_path).close()
    with pytest.raises(GazeSplatError) as refusal:
        events.Writer(tmp_path)
    assert refusal.value.code == "job-already-run"


def test_torn_last_line_waits():
    whole = b'{"v": 1, "t": 0.0, "type": "hello"}\n'
    lines, taken = events.split_lines(whole + b'{"v": 1, "t": 0.0, "ty')
    assert len(lines) == 1
    assert taken == len(whole)


@pytest.mark.parametrize("line", [b"\xff\xfe", b"{", b"3", b'{"v": 1}'])
def test_line_that_is_no_event_is_told(line):
    assert events.parse(line)["code"] == "unreadable-event"


def test_event_of_a_newer_protocol_is_refused():
    with pytest.raises(GazeSplatError) as refusal:
        events.parse(b'{"v": 2, "t": 0.0, "type": "hologram"}')
    assert refusal.value.code == "protocol-newer"


def test_result_appears_complete_or_not_at_all(tmp_path):
    part = result.begin(tmp_path)
    (part / result.PLY).write_bytes(b"ply")
    with pytest.raises(GazeSplatError) as refusal:
        result.publish(tmp_path, "selfie")
    assert refusal.value.code == "incomplete-result"
    assert not (tmp_path / paths.RESULT).exists()
    for name in result.FILES:
        (part / name).write_bytes(b"x")
    assert result.publish(tmp_path, "selfie") == tmp_path / paths.RESULT
    assert not part.exists()
    assert not result.missing_files(tmp_path / paths.RESULT)


def test_beginning_again_starts_empty(tmp_path):
    (result.begin(tmp_path) / "half").touch()
    assert list(result.begin(tmp_path).iterdir()) == []


@pytest.mark.parametrize(("name", "kept"), [
    ("Selbst porträt (2).JPG", "Selbst porträt (2).JPG"),
    ('a:b\\c"d?.jpeg', "a_b_c_d_.jpeg"),
    ("...", "input"),
    ("x" * 200 + ".png", "x" * 80 + ".png"),
])
def test_inputs_get_names_every_disk_takes(tmp_path, name, kept):
    source = tmp_path / name
    if name != "...":
        source.write_bytes(b"picture")
        (tmp_path / "job").mkdir()
        relative = inputs.copy_input(source, tmp_path / "job")
        assert relative == f"input/{kept}"
        assert (tmp_path / "job" / relative).read_bytes() == source.read_bytes()
    else:
        assert inputs._portable_name(name) == kept


def test_missing_input_names_the_path(tmp_path):
    with pytest.raises(GazeSplatError, match=r"selfie\.jpg") as refusal:
        inputs.copy_input(tmp_path / "selfie.jpg", tmp_path)
    assert refusal.value.code == "no-file"


def test_a_folder_of_pictures_is_a_video_and_only_its_pictures_are_copied(tmp_path):
    shots = tmp_path / "Shots of M:ra"
    (shots / "rejected.jpg").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "notes.txt"):
        (shots / name).write_bytes(name.encode())
    assert [inputs.kind_of(one) for one in (shots, Path("a.MOV"), Path("a.png"), Path("a"))] == ["video", "video", "selfie", "selfie"]
    relative = inputs.copy_input(shots, tmp_path / "job")
    assert sorted(one.name for one in (tmp_path / "job" / relative).iterdir()) == ["a.png", "b.JPG"]
    assert JobSpec(id="one", kind="video", input=relative).input == relative
    with pytest.raises(GazeSplatError, match="no pictures") as refusal:
        inputs.copy_input(shots / "rejected.jpg", tmp_path / "job")
    assert refusal.value.code == "no-file"


def test_text_is_replaced_whole(tmp_path):
    file = tmp_path / "a.json"
    paths.write_json_atomically(file, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        paths.write_json_atomically(file, {"a": float("nan")})
    assert json.loads(file.read_text("utf-8")) == {"a": 1}
    assert list(tmp_path.iterdir()) == [file]
