# SPDX-License-Identifier: GPL-3.0-or-later
"""Node groups as code: one group a file, each with a version. Needs Blender."""
