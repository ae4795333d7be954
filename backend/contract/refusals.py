# SPDX-License-Identifier: GPL-3.0-or-later
"""The operating system's refusals in an artist's words, the same on both sides."""
from __future__ import annotations

import errno

from .errors import GazeSplatError

_DISK_FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# A file where a folder should be, a name too long for the disk, a path that does not exist.
_BAD_PLACE = frozenset({errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOENT, errno.EISDIR})


def explain_os_error(error: OSError, *, place_chosen: bool = False) -> GazeSplatError | None:
    """Return the error an artist can act on, or None when this is nothing they could change.

    ``place_chosen``: the artist chose where to write, so a path that cannot be made is theirs to change.
    """
    what = error.filename2 or error.filename or "a file"
    if error.errno in _DISK_FULL:
        return GazeSplatError("disk-full", "The disk is full.", "Free some space, then try again.")
    if error.errno in _NO_PERMISSION:
        return GazeSplatError("no-permission", f"GazeSplat may not read or write {what}.",
                              "Change the permissions, or choose another folder.")
    if place_chosen and error.errno in _BAD_PLACE:
        return GazeSplatError("bad-folder", f"GazeSplat cannot write to {what}: {error.strerror}.", "Choose another folder.")
    return None
