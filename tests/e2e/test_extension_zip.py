# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip that an artist installs: it builds, holds what it should, lives and leaves nothing behind."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

TOP_LEVEL = {"__init__.py", "blender_manifest.toml", "LICENSE", "CHANGELOG.md", "README.md", "SECURITY.md",
             "gazesplat_addon", "operators", "panels", "backend"}
NOTHING = {"types": [], "operators": [], "properties": [], "handlers": [], "preferences": []}


@pytest.fixture(scope="module")
def archive(root, tmp_path_factory) -> Path:
    """The zip, built and validated by the tool that Blender itself uses."""
    import bpy

    tool = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    out = tmp_path_factory.mktemp("dist")
    for command in (["build", "--source-dir", str(root), "--output-dir", str(out)], ["validate", "ZIP"]):
        filled = [str(next(out.glob("*.zip"))) if word == "ZIP" else word for word in command]
        done = subprocess.run([sys.executable, "-I", str(tool), *filled], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.zip"))


@pytest.fixture(scope="module")
def life(root, archive, tmp_path_factory) -> dict:
    """What an installed extension reported about itself, from a Blender with an empty profile."""
    profile, scratch = tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("scratch")
    env = {**os.environ, "BLENDER_USER_RESOURCES": str(profile)}
    script = Path(__file__).with_name("extension_life.py")
    photo = root / "docs" / "examples" / "astronaut.png"
    done = subprocess.run([sys.executable, "-I", script, archive, scratch, photo], env=env, capture_output=True, text=True,
                          check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_zip_holds_the_product_and_nothing_else(archive):
    names = zipfile.ZipFile(archive).namelist()
    assert {name.split("/")[0] for name in names} == TOP_LEVEL
    assert not [name for name in names if name.endswith((".pyc", ".nbi", ".nbc", ".blend1"))]
    assert [name for name in names if name.endswith(".task")], "the model files ship with the extension"
    assert Path(archive).stat().st_size < 20e6


def test_manifest_and_changelog_speak_of_the_same_version(root):
    manifest = tomllib.loads((root / "blender_manifest.toml").read_text("utf-8"))
    assert len(manifest["tagline"]) <= 64
    assert set(manifest["permissions"]) == {"files", "network"}
    assert manifest["blender_version_min"] == "4.5.0"
    assert f"## {manifest['version']}" in (root / "CHANGELOG.md").read_text("utf-8")


def test_it_registers(life):
    assert life["before"] == NOTHING
    assert life["installed"]["operators"]
    assert life["installed"]["types"]
    assert life["installed"]["preferences"] == ["bl_ext.user_default.gazesplat"]
    assert all(life["console"].values())


def test_its_backend_runs_from_the_installed_folder(life):
    assert life["job"]["state"] == "done", life["job"]["error"]
    assert "portrait.ply" in life["job"]["result"]


@pytest.mark.skipif("GAZESPLAT_BACKEND_PYTHON" not in os.environ, reason="GAZESPLAT_BACKEND_PYTHON names no backend")
def test_it_makes_a_portrait_from_a_photo(life):
    assert life["portrait"]["splats"] > 10_000
    assert life["portrait"]["name"] in life["portrait"]["objects"]
    assert life["portrait"]["listed"] == [life["portrait"]["name"]]


def test_it_can_be_disabled_and_enabled_again(life):
    assert life["disabled"] == NOTHING
    assert life["enabled"] == life["installed"]
    assert life["disabled_again"] == NOTHING


def test_it_leaves_nothing_behind(life):
    assert life["uninstalled"] == NOTHING
    assert life["left"] == []
    assert life["modules"] == []
