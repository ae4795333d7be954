# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/selfie.md, video.md and eyes.md explain every refusal and warning that their roads can meet, and none that does not exist."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("backend/model", "backend/eyes", "backend/stages", "backend/contract", "backend/video", "backend/train")
FILES = ("backend/run.py", "backend/cli.py", "gazesplat_addon/rig/eye_marks.py")
# Spoken by the doctor, by benchmarks, by the refit, by capture, by farms, or by Blender's end: not met on this road.
ELSEWHERE = {"no-benchmark", "unknown", "bad-output", "clip-too-short", "bad-value", "bad-input"}


def codes_in_source() -> set[str]:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")] + [ROOT / name for name in FILES]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return set(re.findall(r"(?:GazeSplatError|warn)\(\s*\"([a-z]+(?:-[a-z]+)+)\"", text)) - ELSEWHERE


def codes_in_docs() -> set[str]:
    text = (ROOT / "docs" / "selfie.md").read_text("utf-8")
    tables = text[text.index("## Refusals"):] + "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("video.md", "eyes.md"))
    cells = [line.split("|")[1] for line in tables.splitlines() if line.startswith("| `")]
    return {code for cell in cells for code in re.findall(r"`([a-z-]+)`", cell)}


def test_every_code_is_explained() -> None:
    assert codes_in_source() - codes_in_docs() == set()


def test_no_explained_code_is_gone() -> None:
    # One-word codes, such as "occluded", are not told from other words in the source by their shape.
    explained = {code for code in codes_in_docs() if "-" in code}
    assert explained - codes_in_source() == set()


@pytest.mark.parametrize("code", ["occluded", "glasses", "internal"])
def test_one_word_codes_are_explained(code: str) -> None:
    assert code in codes_in_docs()
