"""Files that survive a power cut, and locks between processes.

A new name in a directory is durable only when the directory itself was fsynced; a lock
is an flock, so it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
from pathlib import Path
from typing import IO

# Of Linux's renameat2(2).
_AT_CWD = -100
_EXCHANGE = 2


def fsync_directory(directory: Path) -> None:
    """Make the names inside `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(directory: Path) -> None:
    """Create `directory` and its parents, each name durable in its own parent."""
    if directory.is_dir():
        return
    make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    fsync_directory(directory.parent)


class ExchangeUnsupported(OSError):
    """The file system cannot exchange two directories at once."""


def exchange(one: Path, other: Path) -> None:
    """Let two directories change places in one step: nobody ever finds neither.

    Durable once the parents of both are fsynced.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        number = errno.ENOSYS
    else:
        if not call(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE):
            return
        number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL):
        raise ExchangeUnsupported(
            number,
            "the file system cannot exchange two directories (renameat2); "
            "ext4, xfs, btrfs and tmpfs can",
            str(other),
        )
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def lock(path: Path, *, shared: bool = False) -> IO[str]:
    """Lock this file for this process, waiting for its holder; close to release.

    Any number of processes may hold it shared, or one alone.
    """
    file = path.open("a+")
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return file if shared else _signed(file)


def try_lock(path: Path) -> IO[str] | None:
    """Lock this file for this process, or None while another one holds it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return _signed(file)


def _signed(file: IO[str]) -> IO[str]:
    """Leave the holder's process id in the file, for the error message of others."""
    # The lock holds without it, and a full disk must not keep the collector away.
    with contextlib.suppress(OSError):
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), f"{os.getpid()}\n".encode())
    return file
