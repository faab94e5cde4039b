"""What was written is flushed to the disk (`fsync`)."""

from __future__ import annotations

import errno
import os

NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system says that does not know how to flush a folder, or a file, to the disk."""


def flushed(handle: int) -> str:
    """Flush an open file or folder; "" when it is on the disk, else why this file system does not
    know how.

    Raises:
        OSError: it does, and has failed: the disk is full, or broken.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
        return error.strerror or str(error)
    return ""
