# SPDX-License-Identifier: GPL-3.0-or-later
"""The render engine "GazeSplat": exact splat frames behind F12, drawn by the backend's worker (docs/engine.md)."""
