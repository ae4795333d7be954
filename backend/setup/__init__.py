# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the backend's own environment: standard library only, for it runs in a Python that has nothing yet."""
