# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file needs to leave this machine: the doctor that checks it for a render farm, and the job that a farm takes."""
