# SPDX-License-Identifier: GPL-3.0-or-later
"""Job kinds: each stage file runs one kind of job from input to result."""
