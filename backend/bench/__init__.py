# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: each module has main(argv), prints one table and writes it as JSON."""
