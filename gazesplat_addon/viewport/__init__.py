# SPDX-License-Identifier: GPL-3.0-or-later
"""The live splat display: portraits in Blender's viewport, drawn on the graphics card as F12 shows them (docs/viewport.md)."""
