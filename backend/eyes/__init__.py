# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes from a photo: fit, textures, lids and lashes as splats."""
