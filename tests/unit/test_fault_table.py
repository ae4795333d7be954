# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault table names tests that exist."""
from __future__ import annotations

import re


def test_every_row_is_a_test(root):
    lines = (root / "docs" / "faults.md").read_text("utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| what happens")]
    there = set(re.findall(r"^def (test_\w+)", "\n".join(path.read_text("utf-8") for path in (root / "tests").rglob("test_*.py")), re.M))
    assert len(rows) >= 30
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named and set(named) <= there, row
