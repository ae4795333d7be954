# SPDX-License-Identifier: GPL-3.0-or-later
"""Eye movement as numbers: seconds and degrees, numpy only."""
