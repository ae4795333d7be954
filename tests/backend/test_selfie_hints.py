# SPDX-License-Identifier: GPL-3.0-or-later
"""Something before the face is told, clear faces are left in peace."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gazesplat.backend.model import hints
from gazesplat.backend.model.landmarks import Face, FaceReader
from gazesplat.backend.model.photo import load_photo
from gazesplat.backend.model.scan_photo import scan_photo
from tests.faces import EYES, RecordingContext, astronaut, save, with_cup

# Of the portraits in the extra data: what covers the face, and who wears glasses. All others are clear.
COVERED = {"07_woman_eyes_averted_hands_on_cheeks": "a cheek", "22_woman_cup_over_mouth_OCCLUSION": "the mouth"}
GLASSES = {"20_woman_glasses_crop", "21_two_women_glasses_REJECT_CASE"}


@pytest.fixture(scope="module")
def reader() -> Iterator[FaceReader]:
    with FaceReader() as opened:
        yield opened


def read(reader: FaceReader, picture: np.ndarray) -> Face:
    return reader.refine(picture, reader.find(picture)[0])


def with_mask(picture: np.ndarray) -> np.ndarray:
    """Put a pale blue mask over nose, mouth and chin."""
    outline = np.array([(183, 118), (226, 112), (268, 120), (262, 152), (240, 176), (212, 175), (190, 150)], np.int32)
    return cv2.fillPoly(picture.copy(), [outline], (165, 200, 225), cv2.LINE_AA)


def with_hand(picture: np.ndarray) -> np.ndarray:
    """Lay four skin-coloured fingers over the mouth."""
    skin = tuple(int(v) for v in np.median(picture[125:135, 195:205].reshape(-1, 3), axis=0))
    covered = picture.copy()
    for i, y in enumerate((128, 137, 146, 155)):
        cv2.line(covered, (203 + 2 * i, y), (275, y + 14), tuple(int(v * 0.75) for v in skin), 11, cv2.LINE_AA)
        cv2.line(covered, (203 + 2 * i, y), (275, y + 14), skin, 9, cv2.LINE_AA)
    return covered


def with_hand_on_eye(picture: np.ndarray) -> np.ndarray:
    """Hold a fist before the subject's left eye."""
    return cv2.ellipse(picture.copy(), (248, 102), (22, 20), 10, 0, 360, (206, 152, 128), -1, cv2.LINE_AA)


def with_glasses(picture: np.ndarray) -> np.ndarray:
    """Draw dark frames round both eyes."""
    worn = picture.copy()
    for left, right, upper, lower in EYES:
        middle = (round((left + right) / 2), round((upper + lower) / 2) + 3)
        cv2.ellipse(worn, middle, (19, 14), 2, 0, 360, (30, 25, 25), 3, cv2.LINE_AA)
    return cv2.line(worn, (223, 101), (227, 101), (30, 25, 25), 3, cv2.LINE_AA)


@pytest.mark.parametrize(("cover", "part"), [
    (with_cup, "the mouth"), (with_mask, "the mouth"), (with_hand, "the mouth"), (with_hand_on_eye, "an eye")])
def test_covered_parts_are_named(cover: Callable[[np.ndarray], np.ndarray], part: str, reader: FaceReader) -> None:
    picture = cover(astronaut())
    face = read(reader, picture)
    wander = hints.measure_wander(reader, picture, face)
    assert wander.hidden_part(0.0) == part, wander


@pytest.mark.parametrize("change", [
    lambda p: p, lambda p: p[:, ::-1], lambda p: np.repeat(p.mean(axis=2, keepdims=True), 3, axis=2), lambda p: p * 0.35,
    lambda p: cv2.resize(p, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
    lambda p: cv2.warpAffine(p, cv2.getRotationMatrix2D((226, 120), 25.0, 1.0), (512, 512), borderMode=cv2.BORDER_REPLICATE),
    lambda p: cv2.resize(p, None, fx=3.0, fy=3.0, interpolation=cv2.INTER_CUBIC)],
    ids=["plain", "mirrored", "grey", "dark", "small", "rolled", "large"])
def test_clear_face_is_left_in_peace(change: Callable[[np.ndarray], np.ndarray], reader: FaceReader) -> None:
    picture = np.ascontiguousarray(np.clip(change(astronaut()), 0, 255).astype(np.uint8))
    face = read(reader, picture)
    warned: list[str] = []
    hints.advise(picture, face, hints.measure_wander(reader, picture, face), 0.0, lambda code, message, hint: warned.append(code))
    assert warned == []


def test_glasses_are_seen(reader: FaceReader) -> None:
    picture = with_glasses(astronaut())
    face = read(reader, picture)
    warned: list[tuple[str, str, str]] = []
    hints.advise(picture, face, hints.measure_wander(reader, picture, face), 0.0, lambda *words: warned.append(words))
    assert [words[0] for words in warned] == ["glasses"]
    assert all(text.endswith(".") for text in warned[0][1:])


def test_far_cheek_of_a_turned_head_is_not_covered() -> None:
    wander = hints.Wander(mouth=0.3, eye=0.3, side=2.0, whole=0.4)
    assert wander.hidden_part(5.0) == "a cheek"
    assert wander.hidden_part(30.0) is None


def test_face_that_is_lost_when_disturbed_is_covered(reader: FaceReader) -> None:
    picture = astronaut()
    face = read(reader, picture)
    empty = np.full_like(picture, 128)
    assert hints.measure_wander(reader, empty, face).hidden_part(0.0) is not None


@pytest.mark.parametrize("side", ["top", "left", "right", "bottom", "none"])
def test_head_beyond_the_edge_is_told(side: str) -> None:
    mask = np.zeros((100, 80), np.float32)
    rows, columns = {"top": (slice(0, 60), slice(20, 60)), "left": (slice(20, 70), slice(0, 50)), "right": (slice(20, 70), slice(30, 80)),
                     "bottom": (slice(40, 100), slice(20, 60)), "none": (slice(10, 90), slice(10, 70))}[side]
    mask[rows, columns] = 1.0
    warned: list[str] = []
    hints.advise_of_edges(mask, lambda code, message, hint: warned.append(code))
    assert warned == ([] if side in ("bottom", "none") else ["head-cut"])


def test_cut_hair_is_told_on_the_way(tmp_path: Path) -> None:
    context = RecordingContext()
    scan_photo(save(astronaut()[36:], tmp_path / "cut.png"), {}, context)
    assert context.codes == ["low-resolution", "head-cut"]


def test_portraits_of_the_extra_data(reader: FaceReader, extra_data: Path) -> None:
    folder = extra_data / "photos" / "portraits"
    if not folder.is_dir():
        pytest.skip(f"no portraits in {folder}")
    for path in sorted(folder.glob("*.jpg")):
        picture = load_photo(path).pixels
        face = read(reader, picture)
        assert hints.measure_wander(reader, picture, face).hidden_part(0.0) == COVERED.get(path.stem), path.stem
        assert hints.has_glasses(picture, face) == (path.stem in GLASSES), path.stem
