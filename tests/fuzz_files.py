# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds damaged and hostile files to every reader of JSON and of NumPy archives; run by test_faults_files.py in a process of its own.

    python tests/fuzz_files.py SEED INPUTS        INPUTS for each reader
Each input must be read, or refused by one GazeSplatError with a way out. Memory is limited to what the process has plus 384 MB,
so that a size which is believed ends it. The last line of stdout counts inputs as JSON: {reader: [tried, read, refused]}.
"""
from __future__ import annotations

import copy
import importlib.util
import io
import json
import random
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOM_BYTES = 384 << 20
# What people and programs put where something else belongs.
NASTY = [None, True, False, 0, -1, 1, 2, 99, 1e308, -1e308, 1e-320, 10 ** 30, 10 ** 400, float("nan"), float("inf"), "", "x", "\0",
         "\ud800", "../../x", "/etc/passwd", "C:\\x", "line\nbreak", "é" * 300, [],
         [[]], {}, {"a": {}}, [0.0] * 3, [float("nan")] * 3, ["a", "b"],
         [[0.0] * 3] * 3, [0] * 5000, {"__proto__": 1}, {"__class__": "os.system"}]
TEXTS = [b"", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"1" * 6000, b'"\\ud800"', b"NaN", b"{}{}",
         b'{"a":1,"a":2}', bytes(range(256)), b" " * (5 << 20), b"-", b"[1,]", b"'single'"]


def load_package() -> None:
    """Make the checkout importable as ``gazesplat``."""
    spec = importlib.util.spec_from_file_location("gazesplat", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["gazesplat"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["gazesplat"])
    sys.path.insert(0, str(ROOT))


def limit_memory() -> None:
    """Allow this process so much more than it has now, where the system can hold it to that."""
    if sys.platform != "linux":
        return
    import resource
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[0])
    limit = pages * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


# ---------------------------------------------------------------- what is done to files

def nodes(data: object) -> Iterator[tuple[object, object]]:
    """Yield every place in JSON data as its container and key."""
    for key in (list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()):
        yield data, key
        yield from nodes(data[key])


def damaged_json(chance: random.Random, good: dict) -> bytes:
    """Return text in which something is replaced, removed, doubled, or cut, or that never was JSON."""
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(TEXTS)
    if kind < 3:
        return damaged_bytes(chance, json.dumps(good).encode())
    data = json.loads(json.dumps(good))
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        places = list(nodes(data))
        if not places:
            break
        holder, key = chance.choice(places)
        deed = chance.randrange(5)
        if deed < 3:
            holder[key] = copy.deepcopy(chance.choice(NASTY))
        elif deed == 3:
            del holder[key]
        elif isinstance(holder, dict):
            holder[chance.choice(["new", "", "version", "id", *map(str, holder)])] = holder.pop(key)
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
    return json.dumps(data).encode()


def damaged_bytes(chance: random.Random, good: bytes) -> bytes:
    """Return bytes that are cut, changed, or lack a piece."""
    data = bytearray(good)
    deed = chance.randrange(4)
    if deed == 0 or not data:
        return bytes(data[:chance.randrange(len(data) + 1)])
    at = chance.randrange(len(data))
    if deed == 1:
        del data[at:at + chance.randrange(1, 64)]
    else:
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


# What an array may say of itself: type, order, shape.
_SAYS = "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format
HEADERS = [_SAYS("'<f8'", False, "(1000000000000,)"), _SAYS("'<f8'", False, "(-1,)"), _SAYS("'|O'", False, "(2,)"),
           _SAYS("'<U99999999'", False, "(99,)"), _SAYS("'|V0'", False, "(9,)"), _SAYS("[('a', '<f8', (99999, 99999))]", False, "(9,)"),
           _SAYS("'<f8'", False, "(True, 1.5)"), _SAYS("'<f8'", 0, "3"), _SAYS("'<f8'", True, "(" + "9" * 900 + ",)"),
           _SAYS("'<c16'", False, "(4,)"), _SAYS("'<M8[s]'", False, "(4,)"), _SAYS("'<f8'", False, "(0,) * 9"),
           "__import__('os')", "(" * 3000, "{'shape': ()}", "", "'" * 4000]


def array_with_header(header: str, body: bytes, version: int = 1) -> bytes:
    """Return a .npy of any header."""
    text = header.encode("latin1", "replace")
    return b"\x93NUMPY" + bytes((version, 0)) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + body


def damaged_archive(chance: random.Random, good: bytes) -> bytes:
    """Return an archive whose bytes, members, headers or promises are wrong."""
    kind = chance.randrange(8)
    if kind < 2:
        return damaged_bytes(chance, good)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(list(members))
    if kind == 2:
        members[name] = damaged_bytes(chance, members[name])
    elif kind == 3:
        members[name] = array_with_header(chance.choice(HEADERS), bytes(chance.choice((0, 16, 72))), chance.choice((1, 1, 2, 3, 9)))
    elif kind == 4:     # a bomb: little that inflates to much
        members[name] = array_with_header(HEADERS[0], bytes(1 << 24)) if chance.random() < 0.02 else members[name] + bytes(1 << 16)
    elif kind == 5:     # somewhere else: zip-slip, an archive in an archive, another case
        body = members.pop(name)
        members[chance.choice(["../../" + name, "/tmp/" + name, name.upper(), name + "/", "nested.npz", "x"])] = body
    elif kind == 6:
        import numpy
        dtypes = ["<i8", "<f2", ">f8", "|b1", "<U3", "<c8", "<u4"]
        shape = chance.choice([(), (1,), (3, 3), (0,), (7, 1, 2), (2000,)])
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.full(shape, chance.choice([0, 1, 255]), chance.choice(dtypes)))
        members[name] = buffer.getvalue()
    method = chance.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2 if kind == 7 else zipfile.ZIP_STORED])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for one, body in members.items():
            archive.writestr(one, body)
    data = bytearray(out.getvalue())
    if kind == 7:       # the directory at the end is what readers believe: sizes, flags and methods in it
        at = data.rindex(b"PK\x01\x02")
        for _ in range(4):
            data[at + chance.randrange(6, 46)] = chance.choice((0, 1, 0x7F, 0xFF))
    return bytes(data)


# ---------------------------------------------------------------- who reads them

def readers(folder: Path) -> dict[str, tuple[Callable, object, Callable[[bytes], object]]]:
    """Return for each reader: what damages its file, the good content, and what writes and reads it as the product does."""
    import numpy as np

    from gazesplat.backend.contract import events, job, paths
    from gazesplat.gazesplat_addon.gaze import capture, presets, readings
    from gazesplat.gazesplat_addon.jobs import process
    from gazesplat.gazesplat_addon.rig import eye_marks, lids, sidecar
    from gazesplat.gazesplat_addon.splat import linear_refit
    from tests.portrait_files import write_portrait
    from tests.synthetic import synthetic_portrait

    write_portrait(folder, head_count=40)
    splats, _, rig = synthetic_portrait(head_count=40)
    refit = linear_refit.LinearRefit(splats.colours, splats.opacities)
    linear_refit.save_refit(folder / "portrait.linear.npz", refit, splats)
    times = np.arange(40) / 24.0
    np.savez_compressed(folder / "readings.npz", times_s=times, eye_deg=np.stack([np.sin(times), times], 1), aperture=np.full((40, 2), 0.8),
                        head_deg=np.zeros((40, 3)), head_m=np.zeros((40, 3)), spread=np.full(40, 0.1))
    spec = {"protocol": 1, "id": "a", "kind": "selfie", "input": "input/a.jpg", "quality": "draft", "device": "auto", "seed": 0,
            "options": {"budget": 1000}, "versions": {"gazesplat": "0.1.0"}}
    told = [{"v": 1, "t": 1.0, "type": kind, **fields} for kind, fields in (
        ("progress", {"stage": "a", "fraction": 0.5, "text": "b"}), ("stage", {"name": "a"}), ("preview", {"path": "work/a.png"}),
        ("failed", {"code": "a", "message": "b", "hint": "c"}))]
    lid = [[float(x), 10.0] for x in range(5)]
    marks = {"upper": lid, "lower": [[x, y + 4.0] for x, y in lid], "iris": [2.0, 12.0, 1.0]}
    sides = ("left", "right")
    scan = {"format": "gazesplat-scan", "version": 1, "marks": dict.fromkeys(sides, marks), "crop": {"left_px": 0, "top_px": 0, "scale": 1},
            "handles": {side: {name: [[[0.0, 0.0]] * 2] * 5 for name in ("upper", "lower")} for side in sides}}
    preset = json.loads((presets.SHIPPED / "tired.json").read_text("utf-8"))

    def through(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        def write_and_read(content: bytes) -> object:
            (folder / name).write_bytes(content)
            return read(folder / name)
        return write_and_read

    def rig_works(path: Path) -> None:
        for eye in sidecar.load_rig(path.parent).eyes.values():
            eye.gaze_frame()
            lids.margins(eye, np.linspace(-0.01, 0.01, 5), 5.0, 3.0, 0.5)

    def one_event(content: bytes) -> None:
        for line in events.split_lines(content.replace(b"\n", b" ") + b"\n")[0]:
            event = events.parse(line)
            assert event["type"] in events.TYPES

    archive, text = damaged_archive, damaged_json
    whole = {name: (folder / name).read_bytes() for name in ("portrait.npz", "portrait.linear.npz", "readings.npz")}
    side = json.loads((folder / "portrait.json").read_text("utf-8"))
    return {
        "job.json": (text, spec, through(paths.JOB, lambda path: job.read_job(path.parent))),
        "pid.json": (text, {"pid": 5, "started": "x"}, through(paths.PID, lambda path: process.read_mark(path.parent))),
        "events.jsonl": (lambda chance, _: text(chance, chance.choice(told)), None, one_event),
        "portrait.json": (text, side, through("portrait.json", rig_works)),
        "motion preset": (text, preset, through("mine.json", presets.read)),
        "portrait.scan.json": (text, scan, through("portrait.scan.json", lambda path: eye_marks.load_marks(path.parent))),
        **{name: (archive, whole[name], through(name, read)) for name, read in {
            "portrait.npz": lambda path: read_groups(sidecar, path, rig, splats.means),
            "portrait.linear.npz": lambda path: linear_refit.load_refit(path, splats),
            "readings.npz": lambda path: capture.interpret(readings.load_readings(path))}.items()},
    }


def pictures(folder: Path) -> dict[str, tuple[Callable, object, Callable[[bytes], object]]]:
    """Return the same for pictures of every kind, where the backend's packages are: it alone reads them."""
    if importlib.util.find_spec("mediapipe") is None:
        return {}
    import warnings

    from gazesplat.backend.model import kept_scan, photo
    from tests.backend.test_selfie_damaged import whole_files
    photo.LARGEST_MEGAPIXELS = 4    # a header may claim what is allowed: a small limit keeps this small
    warnings.simplefilter("ignore")
    place = folder / "photo.bin"

    def read(content: bytes) -> None:
        place.write_bytes(content)
        pixels = photo.load_photo(place).pixels
        assert pixels.dtype.name == "uint8" and pixels.shape[2] == 3
    kinds = whole_files()
    (folder / "portrait.photo.png").write_bytes(kinds["png"])

    def read_scan(content: bytes) -> None:
        (folder / "portrait.scan.json").write_bytes(content)
        kept_scan.load_scan(folder / "portrait.photo.png")
    return {**{f"{kind} picture": (damaged_picture, data, read) for kind, data in kinds.items()},
            "portrait.scan.json, whole": (damaged_json, whole_scan(), read_scan), "portrait.frames.npz": kept_frames(folder)}


def kept_frames(folder: Path) -> tuple[Callable, bytes, Callable[[bytes], object]]:
    """Return the same for what a clip's portrait keeps of it."""
    import numpy as np

    from gazesplat.backend.render import Camera
    from gazesplat.backend.video import kept_frames
    from gazesplat.backend.video.eye_views import EyeView
    from tests.synthetic import synthetic_portrait

    head = synthetic_portrait(head_count=10)[0]
    view = EyeView(np.full((4, 6, 3), 0.5), np.ones((4, 6)), Camera(6, 4, 5.0, 5.0, 3.0, 2.0))
    kept_frames.KeptFrames(np.ones((8, 9)), (1.0, -2.0), [view, view], head).save(folder)

    def read(content: bytes) -> None:
        (folder / "portrait.frames.npz").write_bytes(content)
        kept, _ = kept_frames.load_frames(folder, (8, 9), head)
        assert all(np.isfinite(one.image).all() and np.isfinite(one.camera.position).all() for one in kept.views)
    return damaged_archive, (folder / "portrait.frames.npz").read_bytes(), read


def whole_scan() -> dict:
    """Return a scan as the backend keeps it, of zeros."""
    import numpy as np

    from gazesplat.backend.model import kept_scan
    from gazesplat.backend.model.scan import EyeRuler

    def zeros(shapes: dict[str, tuple[int, ...]]) -> dict:
        return {name: np.zeros(shape).tolist() for name, shape in shapes.items()}
    eye = {"lids": zeros(kept_scan._LID_SHAPES), **zeros(kept_scan._EYE_SHAPES)}
    return {"format": "gazesplat-scan", "version": 1, "kind": "selfie", "quality": "draft", "seed": 0, "options": {}, "camera": [1.0] * 4,
            "crop": {"left_px": 0, "top_px": 0, "scale": 1}, "portrait_to_camera": np.eye(4).tolist(), "blendshapes": {"blink": 0.5},
            "ruler": dict.fromkeys(EyeRuler.__dataclass_fields__, 0.01), "eyes": {"left": eye, "right": eye},
            "landmarks_px": np.zeros((kept_scan.LANDMARKS, 3)).tolist()}


def damaged_picture(chance: random.Random, good: bytes) -> bytes:
    """Return a picture with damage, or one that claims another size."""
    data = bytearray(good)
    size = chance.choice((0, 1, 4000, 40000, 65535)).to_bytes(2, "big")
    if chance.randrange(4) or not (good.startswith(b"\x89PNG") or good.startswith(b"\xff\xd8")):
        return damaged_bytes(chance, good)
    if good.startswith(b"\xff\xd8"):     # JPEG: height and width follow the start of a frame
        at = max(good.find(b"\xff\xc0"), good.find(b"\xff\xc2")) + 5
        data[at:at + 4] = size * 2
    else:
        data[16:24] = (b"\0\0" + size) * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def read_groups(sidecar, path: Path, rig, means) -> None:
    """Read a portrait's archive beside a whole portrait.json."""
    (path.parent / "portrait.json").write_text(json.dumps(sidecar.to_json(rig)), "utf-8")
    assert sidecar.load_sidecar(path.parent, len(means), means)[1].shape == (len(means),)


def main(seed: int, inputs: int) -> None:
    """Fuzz every reader that this Python can load; any other error than GazeSplatError ends it and names the input."""
    load_package()
    from gazesplat.backend.contract.errors import GazeSplatError
    counts = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "portrait"
        chosen = {**readers(folder), **pictures(folder)}
        limit_memory()
        for name, (damage, good, read) in chosen.items():
            tally = counts[name] = [0, 0, 0]
            for number in range(inputs):
                content = damage(random.Random(f"{name} {seed} {number}"), good)
                try:
                    read(content)
                    tally[1] += 1
                except GazeSplatError as error:
                    if not (error.code and error.message and error.hint):
                        raise
                    tally[2] += 1
                except BaseException:
                    sys.stderr.write(f"{name}, input {number}: {content[:300]!r}\n")
                    raise
                tally[0] += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
