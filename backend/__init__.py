# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of its own that makes portraits: needs no Blender, starts no server, opens no socket."""
