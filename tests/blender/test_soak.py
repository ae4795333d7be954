# SPDX-License-Identifier: GPL-3.0-or-later
"""A small piece of the soak (tests/bench/soak.py): working on and on leaves nothing behind."""
from __future__ import annotations

import gpu
import pytest

from tests.bench import soak
from tests.offscreen import opengl_works

# In so few steps the allocator's moods weigh more than in the whole soak; a portrait that stays is 2 MB.
MOST_KB_PER_STEP = 1500.0


@pytest.fixture(scope="module")
def parts(gs):
    if hasattr(gpu, "init") and not opengl_works():
        pytest.skip("no OpenGL here (Debian: libegl1 libgl1 libgl1-mesa-dri)")
    return {part.name: part for part in soak.soak(gs, cycles=16, frames=80, splats=300)}


@pytest.mark.parametrize("name", ["cycles", "files", "frames"])
def test_nothing_grows(parts, name):
    assert not parts[name].grown
    assert parts[name].kb_per_step < MOST_KB_PER_STEP


def test_what_grows_is_seen():
    """The judge of the soak, given a leak of one object a step and one of 50 kB a step."""
    part = soak.Part("cycles", 100, "none")
    part.samples = [(step, 500_000 + 50 * step, soak.Counter({"data.objects": step, "data.meshes": step % 3})) for step in range(2, 101, 2)]
    assert part.kb_per_step == pytest.approx(50.0) and set(part.grown) == {"data.objects"}
