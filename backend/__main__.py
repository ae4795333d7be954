# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's entry: ``python -I <extension>/backend <job folder>`` (or ``--help``).

Started as a folder, this file belongs to no package. It loads the extension's root as the package
``gazesplat``, so that every import inside works as it does in Blender and in the tests.
"""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _load_package() -> None:
    """Load the extension's root, one folder up, as ``gazesplat``."""
    backend = Path(__file__).resolve().parent
    # Python puts this folder first in sys.path, where our own rooms would shadow installed packages.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != backend]
    spec = importlib.util.spec_from_file_location("gazesplat", backend.parent / "__init__.py",
                                                  submodule_search_locations=[str(backend.parent)])
    package = importlib.util.module_from_spec(spec)
    sys.modules["gazesplat"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036  people start this with whatever Python they have
        sys.exit("GazeSplat's backend needs Python 3.11 or 3.13; this is " + sys.version.split()[0])
    _load_package()
    raise SystemExit(importlib.import_module("gazesplat.backend.cli").main(sys.argv[1:]))
