# SPDX-License-Identifier: GPL-3.0-or-later
"""A splat as arrays and files: numpy only."""
