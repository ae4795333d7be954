# SPDX-License-Identifier: GPL-3.0-or-later
"""From a photo to geometry: scan, mask, depth, head."""
