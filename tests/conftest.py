# SPDX-License-Identifier: GPL-3.0-or-later
"""One suite for three interpreters: the backend's, and the ``bpy`` module of each Blender version.

The checkout is importable as ``gazesplat`` everywhere. Where ``bpy`` exists it is also installed, by
a link, as the extension of an empty profile: that is the fixture ``gs``. A folder is collected only
where what it needs can be imported.
"""
from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = "bl_ext.user_default.gazesplat"
NEEDED_BY_FOLDER = {
    "backend": ("numba", "cv2", "mediapipe"),
    "blender": ("bpy",),
    "golden": ("bpy",),
    "e2e": ("bpy",),
    "gui": ("numba",),    # starts a Blender of its own: once is enough
}


def _importable(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


def _load_checkout() -> None:
    """Make the repository root importable as the package ``gazesplat``."""
    spec = importlib.util.spec_from_file_location("gazesplat", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["gazesplat"] = package
    spec.loader.exec_module(package)


# bpy reads this when it is first imported: an empty profile, so that nothing of the user's own is loaded.
_PROFILE = Path(tempfile.mkdtemp(prefix="gazesplat-profile-"))
os.environ["BLENDER_USER_RESOURCES"] = str(_PROFILE)
_load_checkout()


def pytest_unconfigure() -> None:
    shutil.rmtree(_PROFILE, ignore_errors=True)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the folders whose needs this interpreter lacks."""
    if collection_path.parent != ROOT / "tests":
        return None
    needed = NEEDED_BY_FOLDER.get(collection_path.name, ())
    return None if _importable(*needed) else True


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository root, which is the extension's folder."""
    return ROOT


def enabled_extension() -> ModuleType:
    """Install the checkout in the empty profile, by a link, and enable it; return what an artist imports in the console."""
    import addon_utils

    extensions = _PROFILE / "extensions" / "user_default"
    extensions.mkdir(parents=True)
    (extensions / "gazesplat").symlink_to(ROOT, target_is_directory=True)
    if addon_utils.enable(EXTENSION, default_set=True) is None:
        pytest.fail("the extension could not be enabled: the traceback is above", pytrace=False)
    return importlib.import_module(EXTENSION)


@pytest.fixture(scope="session")
def gs() -> Iterator[ModuleType]:
    """The extension, installed in an empty profile and enabled: what an artist imports in the console."""
    pytest.importorskip("bpy", reason="needs the bpy module")
    import addon_utils

    yield enabled_extension()
    addon_utils.disable(EXTENSION, default_set=True)


@pytest.fixture
def room(gs: ModuleType) -> Callable[[str], ModuleType]:
    """Import a module of the enabled extension: ``room("gazesplat_addon.scene.store")``."""
    return lambda name: importlib.import_module(f"{gs.__name__}.{name}")


@pytest.fixture
def clean(gs: ModuleType) -> ModuleType:
    """``bpy`` with an empty file open and the extension enabled."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True)
    return bpy


@pytest.fixture(scope="session")
def openjd(root) -> Callable[..., list[str]]:
    """Return the command line of ``openjd`` with arguments; its Python is named by GAZESPLAT_TOOLS_PYTHON, or the checkout's own."""
    python = Path(os.environ.get("GAZESPLAT_TOOLS_PYTHON") or root / ".venv" / "tools" / "bin" / "python")
    if not python.is_file():
        pytest.skip("openjd-cli is not set up: python3 dev.py test does that")
    return lambda *arguments: [str(python), "-m", "openjd", *map(str, arguments)]


@pytest.fixture(scope="session")
def extra_data() -> Path:
    """A folder of more test pictures, named by the environment variable GAZESPLAT_EXTRA_DATA."""
    folder = os.environ.get("GAZESPLAT_EXTRA_DATA")
    if not folder:
        pytest.skip("GAZESPLAT_EXTRA_DATA names no folder of extra pictures")
    if not Path(folder).is_dir():
        pytest.skip(f"GAZESPLAT_EXTRA_DATA is not a folder: {folder}")
    return Path(folder)
