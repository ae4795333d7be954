# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's rooms. Imports nothing, so that pure rooms load without Blender."""
