# SPDX-License-Identifier: GPL-3.0-or-later
"""The snippets of the pages about the backend run."""
from __future__ import annotations

import numpy as np
import pytest

from gazesplat.backend.render import Camera
from gazesplat.gazesplat_addon.rig.pose import Pose, pose_splats
from tests.docs_snippets import BACKEND_PAGES, DOCS, snippets
from tests.synthetic import synthetic_portrait


@pytest.mark.parametrize("page", BACKEND_PAGES)
def test_every_snippet_runs(page):
    splats, groups, rig = synthetic_portrait(head_count=200)
    camera = Camera(64, 64, 125.0, 125.0, 32.0, 32.0, np.array(rig.camera.w2c))
    names: dict = {"camera": camera, "posed": pose_splats(splats, groups, rig, Pose({}), np.zeros(3))}
    for line, code in snippets(page):
        exec(compile("\n" * (line - 1) + code, str(DOCS / page), "exec"), names)
    assert np.isfinite(names["frame"].rgba()).all()
