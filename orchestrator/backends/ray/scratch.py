"""The folder of a private Ray's sockets and logs, and what killed drivers have left of theirs.

It needs no Ray: a command that starts none removes them too.
"""

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_SOCKET_DIR: Final = 27
"""Longest path (characters) of the folder that Ray's folder is made in: Unix allows 107 for a
socket, Ray's names take up to 64 of them, and that of its folder 16."""
PREFIX: Final = "bg-ray-"
"""How the names of folders for Ray's sockets and logs begin."""
LOCK: Final = "driver.lock"
"""File in such a folder that is locked while the process lives which made it."""
_REMOVAL_TRIES: Final = 30


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder for Ray's logs and sockets, after those of killed processes are removed."""
    remove_abandoned()
    scratch = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_root()))
    try:
        with (scratch / f"{LOCK}.new").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # whoever sees it finds it locked
            (scratch / f"{LOCK}.new").rename(scratch / LOCK)
            yield scratch
    finally:
        remove(scratch)


def remove_abandoned() -> None:
    """Remove the folders of processes that were killed."""
    for lock in Path(_root()).glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(lock.parent)


def remove(scratch: Path) -> None:
    """Remove Ray's folder, repeatedly: processes that are still ending may write logs to it."""
    for _ in range(_REMOVAL_TRIES):
        shutil.rmtree(scratch, ignore_errors=True)
        if not scratch.exists():
            return
        time.sleep(0.1)


def _root() -> str:
    """Where such folders are made."""
    root = tempfile.gettempdir()
    return root if len(root) <= MAX_SOCKET_DIR else "/tmp"
