# SPDX-License-Identifier: GPL-3.0-or-later
"""What both processes must agree on: standard library only."""
