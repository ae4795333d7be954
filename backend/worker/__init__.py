# SPDX-License-Identifier: GPL-3.0-or-later
"""The render worker: holds portraits in memory and draws frames of them for Blender's engine (docs/engine.md)."""
