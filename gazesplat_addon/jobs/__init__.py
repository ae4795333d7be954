# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's end of the process boundary: standard library only, no Blender."""
