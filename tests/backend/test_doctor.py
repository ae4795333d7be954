# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor answers in one JSON object, whatever state the installation is in."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from gazesplat.backend import doctor
from gazesplat.backend.contract.environment import python_of_venv
from gazesplat.gazesplat_addon.jobs import environment

TORCH_VERSION = doctor.read_pins("torch.txt")["torch"]


def examine(python: Path, backend: Path) -> tuple[dict, int]:
    answer = subprocess.run([python, "-I", backend, "--doctor"], capture_output=True, check=False)
    return json.loads(answer.stdout), answer.returncode


@pytest.fixture
def other_python(tmp_path):
    """A Python that sees this one's packages, and a folder where more can be put before them."""
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = python_of_venv(folder)
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-I", "-c", query], capture_output=True, text=True, check=True).stdout.strip())
    (packages / "zz_rest.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return python, packages


def install_torch(packages: Path, body: str, version: str = TORCH_VERSION) -> None:
    (packages / "torch").mkdir()
    (packages / "torch" / "__init__.py").write_text(body, "utf-8")
    information = packages / f"torch-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n", "utf-8")


def test_this_installation_can_make_portraits():
    report = environment.run_doctor(Path(sys.executable))
    assert report["ready"], report["get"]
    assert report["python"]["executable"] == sys.executable
    assert report["device"]["cpu_threads"] >= 1
    assert {one["status"] for one in report["models"].values()} == {"ok"}
    assert report["packages"]["mediapipe"]["wanted"] == report["packages"]["mediapipe"]["version"]


@pytest.mark.parametrize(("body", "reason"), [
    ("raise OSError('libcudart.so.13: cannot open shared object file')", "libcudart"),
    ("import os; print('noise on stdout'); os._exit(3)", "exit code 3"),
    ("import os; os.abort()", "ends the process"),
    ("this is no Python", "SyntaxError"),
])
def test_broken_torch_is_a_finding(other_python, root, body, reason):
    python, packages = other_python
    install_torch(packages, body)
    report, code = examine(python, root / "backend")
    assert code == 0
    assert report["ready"]
    assert report["packages"]["torch"]["status"] == "broken"
    assert reason in report["packages"]["torch"]["reason"]
    assert report["packages"]["mediapipe"]["status"] == "ok"
    assert any("torch.txt" in step for step in report["get"])


def test_cuda_device_is_named(other_python, root):
    python, packages = other_python
    install_torch(packages, """
class cuda:
    is_available = staticmethod(lambda: True)
    get_device_name = staticmethod(lambda index: "Some GPU")
""", version=TORCH_VERSION + "+cu130")
    report, _ = examine(python, root / "backend")
    assert report["packages"]["torch"]["status"] == "ok"
    assert (report["device"]["kind"], report["device"]["name"]) == ("cuda", "Some GPU")


def test_other_version_is_told(other_python, root):
    python, packages = other_python
    install_torch(packages, "class cuda:\n    is_available = staticmethod(lambda: False)\n", version="1.0.0")
    report, _ = examine(python, root / "backend")
    assert report["packages"]["torch"]["status"] == "wrong-version"
    assert report["packages"]["torch"]["wanted"] == TORCH_VERSION


def test_bare_python_is_told_what_to_type(other_python, root):
    python, packages = other_python
    (packages / "zz_rest.pth").unlink()
    report, code = examine(python, root / "backend")
    assert code == 1
    assert not report["ready"]
    assert report["packages"]["numpy"]["status"] == "missing"
    assert [step for step in report["get"] if "backend-nodeps.txt" in step and "--no-deps" in step]
    assert str(python) in report["get"][0]


def test_damaged_model_is_found(other_python, root, tmp_path):
    python, _ = other_python
    copy = tmp_path / "extension"
    shutil.copytree(root / "backend", copy / "backend", ignore=shutil.ignore_patterns("__pycache__", "bench"))
    for name in ("__init__.py", "blender_manifest.toml"):
        shutil.copy(root / name, copy)
    model = next((copy / "backend" / "models").glob("*.task"))
    model.write_bytes(model.read_bytes()[:-1])
    report, code = examine(python, copy / "backend")
    assert code == 1
    assert report["models"][model.name]["status"] == "damaged"
    assert report["get"]
