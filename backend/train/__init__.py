# SPDX-License-Identifier: GPL-3.0-or-later
"""From masked pictures with known cameras to Gaussians: one training loop, two rasterisers. The only room that needs torch."""
