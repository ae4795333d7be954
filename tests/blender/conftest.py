# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up portrait on disk and in a scene."""
from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from gazesplat.gazesplat_addon.scene import portrait_object, store
from tests.portrait_files import write_portrait
from tests.synthetic import synthetic_portrait

SIZE = {"head_count": 600}


@pytest.fixture(scope="session")
def made_up():
    """Splats, groups and rig of the made-up portrait."""
    return synthetic_portrait(**SIZE)


@pytest.fixture
def portrait_folder(tmp_path) -> Path:
    """The made-up portrait as files."""
    return write_portrait(tmp_path / "Mara Ünïcode", **SIZE)


@pytest.fixture
def scene() -> bpy.types.Scene:
    """The scene of a new, empty file; nothing here needs the extension to be registered."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


@pytest.fixture(scope="session")
def loaded_blend(tmp_path_factory) -> Path:
    """A saved file with the made-up portrait, so that not every test builds its node trees."""
    folder = write_portrait(tmp_path_factory.mktemp("loaded"), **SIZE)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    portrait_object.load_portrait(folder, name="Mara")
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "loaded.blend"))
    return folder / "loaded.blend"


@pytest.fixture
def root(loaded_blend) -> bpy.types.Object:
    """The made-up portrait in the current scene."""
    bpy.ops.wm.open_mainfile(filepath=str(loaded_blend))
    (root,) = store.portraits_in(bpy.context.scene)
    return root


@pytest.fixture
def stage(root) -> bpy.types.Scene:
    """The scene that holds ``root``."""
    return bpy.context.scene
