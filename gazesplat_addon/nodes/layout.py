# SPDX-License-Identifier: GPL-3.0-or-later
"""Places the nodes of a generated tree in columns, so that a curious artist can read it."""
from __future__ import annotations

from collections import defaultdict

import bpy

_COLUMN_WIDTH = 190.0
_ROW_HEIGHT = 170.0


def arrange(tree: bpy.types.NodeTree) -> None:
    """Put every node in the column of its longest path from an input, in order of creation from top to bottom."""
    sources: dict[str, set[str]] = defaultdict(set)
    for link in tree.links:
        sources[link.to_node.name].add(link.from_node.name)
    # Nodes are created before the nodes that use them, so one pass in creation order settles every depth.
    depth: dict[str, int] = {}
    rows: dict[int, int] = defaultdict(int)
    for node in tree.nodes:
        column = max((depth.get(name, 0) + 1 for name in sources[node.name]), default=0)
        depth[node.name] = column
        node.location = (column * _COLUMN_WIDTH, -rows[column] * _ROW_HEIGHT)
        rows[column] += 1
