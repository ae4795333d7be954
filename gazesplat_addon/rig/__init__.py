# SPDX-License-Identifier: GPL-3.0-or-later
"""The eye rig as data and its pose formulas: numpy only."""
