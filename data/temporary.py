"""Temporary folders that do not outlive their process: the next one removes a killed one's.

A process holds a lock on a file in its folder for as long as it lives, however it ends.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

PREFIX: Final = "bindgrid-"
"""How the names of such folders begin."""
SHORT_PREFIX: Final = "bg-ray-"
"""How the name of a folder begins whose path has to be short."""
LOCK: Final = "driver.lock"
"""File in such a folder that is locked while the process lives which made it."""
SHORT_ROOT: Final = Path("/tmp")
"""Where such a folder is made that needs a short path."""
_REMOVAL_TRIES: Final = 30


@contextlib.contextmanager
def temporary_folder(kind: str) -> Iterator[Path]:
    """Give an empty folder for files of some kind, a word of its name, for as long as the block.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    with locked_folder(f"{PREFIX}{kind}-", Path(tempfile.gettempdir())) as locked:
        folder = locked / "files"
        folder.mkdir()
        yield folder


@contextlib.contextmanager
def locked_folder(prefix: str, root: Path) -> Iterator[Path]:
    """Give a folder in `root` that holds the lock's file, after abandoned ones are removed.

    Its name begins with `PREFIX` or `SHORT_PREFIX`. Where files cannot be locked, what a killed
    process leaves stays.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        with (folder / f"{LOCK}.new").open("wb") as file:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX)
            # whoever sees it finds it locked
            (folder / f"{LOCK}.new").rename(folder / LOCK)
            yield folder
    finally:
        remove(folder)


def remove_abandoned() -> None:
    """Remove the folders of this user's processes that were killed."""
    roots = {Path(tempfile.gettempdir()), SHORT_ROOT}
    for root, prefix in product(roots, (PREFIX, SHORT_PREFIX)):
        for lock in root.glob(f"{prefix}*/{LOCK}"):
            with contextlib.suppress(OSError), lock.open("rb") as file:
                if os.fstat(file.fileno()).st_uid == os.getuid():
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove(lock.parent)


def remove(folder: Path) -> None:
    """Remove a folder, repeatedly: processes that are still ending may write logs to it."""
    for _ in range(_REMOVAL_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
