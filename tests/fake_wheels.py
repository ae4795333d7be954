# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of tiny wheels with the names and versions that the backend pins, so that a set-up is tested without a network."""
from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path

from gazesplat.backend.contract.environment import REQUIREMENTS

_MODULES = {"opencv-python-headless": "cv2", "pillow": "PIL", "python-dateutil": "dateutil", "fonttools": "fontTools"}
_BODIES = {"torch": "class cuda:\n    is_available = staticmethod(lambda: False)\n"}


def write_wheels(folder: Path, *files: str) -> Path:
    """Write a wheel for every pin of some requirement files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        for package, version in re.findall(r"^([\w.-]+)==([\w.+]+)$", (REQUIREMENTS / name).read_text("utf-8"), re.MULTILINE):
            write_wheel(folder, package, version)
    return folder


def write_wheel(folder: Path, package: str, version: str, body: str = "") -> Path:
    """Write one wheel whose module holds ``body``."""
    stem = package.replace("-", "_").replace(".", "_")
    info, module = f"{stem}-{version}.dist-info", _MODULES.get(package, stem)
    files = {f"{module}/__init__.py": body or _BODIES.get(package, f"NAME = {package!r}\n"), f"{module}/data.txt": "x" * 1000,
             f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = "".join(f"{path},sha256={_checksum(text)},{len(text.encode())}\n" for path, text in files.items())
    path = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return path


def _checksum(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
