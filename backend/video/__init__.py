# SPDX-License-Identifier: GPL-3.0-or-later
"""From a clip to frames, masks and cameras: what a trainer needs to know about a filmed head."""
