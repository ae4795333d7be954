# SPDX-License-Identifier: GPL-3.0-or-later
"""The portrait that comes along: rigged, animated and rendered at once, with no backend; and the notes on whose face it is."""
from __future__ import annotations

import json
import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest

SIZE_PX = 72


@pytest.fixture
def sample(clean, gs, room, monkeypatch):
    """The sample in an empty file, where no backend is."""
    monkeypatch.setenv("GAZESPLAT_BACKEND_PYTHON", "/no/such/python")
    assert room("gazesplat_addon.backend_status").missing() is not None
    assert bpy.ops.gazesplat.add_sample() == {"FINISHED"}
    (portrait,) = gs.portraits()
    return portrait


def rendered(path: Path) -> np.ndarray:
    """Render the current frame small and return (H, W, 4)."""
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = SIZE_PX
    scene.render.film_transparent = True
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGBA"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(SIZE_PX, SIZE_PX, 4)


def test_it_is_small_and_says_whose_face_it_is(room):
    folder = Path(room("gazesplat_addon.api").__file__).with_name("sample")
    assert sum(one.stat().st_size for one in folder.iterdir()) < 2e6
    provenance = json.loads((folder / "portrait.json").read_text("utf-8"))["provenance"]
    assert provenance["source"] == "astronaut.png" and "NASA" in provenance["consent"] and len(provenance["sha256"]) == 64


def test_it_can_be_directed_and_rendered_with_no_backend(sample, tmp_path):
    assert sample.rigged and sample.name == "Astronaut" and bpy.context.view_layer.objects.active == sample.root
    assert sample.animate("listening", seed=1, start=1, end=48) > 10
    sample.setup_render(engine="cycles")
    sample.clear()
    sample.gaze = (0.0, 0.0)
    ahead = rendered(tmp_path / "ahead.png")
    sample.gaze = (25.0, 0.0)
    aside = rendered(tmp_path / "aside.png")
    assert 0.2 < (ahead[..., 3] > 0.9).mean() < 0.9 and ahead[..., :3][ahead[..., 3] > 0.9].std() > 0.1
    moved = np.abs(aside - ahead).max(-1) > 0.03    # a pixel is as large as an iris here
    assert 6 <= moved.sum() < 0.02 * moved.size    # the eyes, and nothing else


def test_notes_travel_with_the_portrait(sample, gs, tmp_path):
    folder = shutil.copytree(sample.folder, tmp_path / "mine")
    mine = gs.load(folder, name="Mine")
    mine.consent = "  signed release,\n2026-03-14 "
    bpy.context.view_layer.objects.active = mine.root
    assert bpy.ops.gazesplat.edit_consent(person="E. C.", consent=mine.consent) == {"FINISHED"}
    assert gs.load(folder).consent == "signed release, 2026-03-14" and gs.load(folder).person == "E. C."
    mine.export(tmp_path / "posed.ply")
    header = (tmp_path / "posed.ply").read_bytes()[:2000]
    assert b"consent: signed release, 2026-03-14" in header and b"person: E. C." in header
    mine.consent = ""
    mine.export(tmp_path / "posed.ply")
    assert b"consent: not recorded" in (tmp_path / "posed.ply").read_bytes()[:2000]
    shutil.rmtree(folder)
    mine.consent = "by word of mouth"    # without its files, the .blend keeps the note
    assert mine.consent == mine.provenance["consent"] == "by word of mouth"
    for wrong in (3, "x" * 2000):
        with pytest.raises(gs.GazeSplatError, match="note"):
            mine.person = wrong


def test_a_job_carries_the_notes(gs, room, clean, tmp_path):
    from gazesplat.backend.contract.consent import notes
    assert notes({"consent": " yes ", "person": "", "seed": 3}) == {"consent": "yes"}
    with pytest.raises(gs.GazeSplatError, match="2000 characters"):
        gs.reconstruct(tmp_path / "none.jpg", consent="x" * 2000)
