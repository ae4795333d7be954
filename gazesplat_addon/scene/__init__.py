# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays and rigs become data-blocks: objects, materials, drivers, colour settings. Needs Blender."""
