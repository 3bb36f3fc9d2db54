"""One command at a time changes a dataset; the lock ends with the process, even if it is killed.

What a command decides by is read under the lock, and what it writes is written under it: two that
add regions at once would each write the same version of the table.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from data.errors import DataError
from data.holder import holder_of, sign


def lock_path(dataset: Path) -> Path:
    """File beside a dataset's folder that is there and locked while a command changes it."""
    folder = dataset.resolve()
    return folder.with_name(f".{folder.name}.lock")


@contextlib.contextmanager
def sole_writer(dataset: Path) -> Iterator[None]:
    """Lock a dataset, which need not be there, for a block that reads and changes it.

    Nothing is left of the lock after the block. Where files cannot be locked, it runs without.

    Raises
    ------
    DataError
        If another process has locked it, which is named.
    """
    path = lock_path(dataset)
    made = [parent for parent in path.parents if not parent.exists()]
    file = None
    try:
        try:
            file = _locked(path)
        except BlockingIOError:
            raise DataError(
                f"{dataset}: is being changed by {holder_of(path)}; wait for it, or stop it, and "
                "run this command again"
            ) from None
        except OSError:
            pass
        yield
    finally:
        if file is not None:
            with contextlib.suppress(OSError):
                path.unlink()
            file.close()
        for parent in made:  # the innermost one first; one that holds anything stays
            with contextlib.suppress(OSError):
                parent.rmdir()


def _locked(path: Path) -> FileIO:
    """Open and lock the file at `path`, which the one before may just remove.

    Raises
    ------
    BlockingIOError
        If another process has locked it.
    OSError
        If it cannot be written or locked.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("ab", buffering=0)
        except FileNotFoundError:
            continue  # the folder was made by the one before, who has just removed it
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(file, path):
                file.close()
                continue
            sign(file)
            return file
        except BlockingIOError:
            file.close()
            raise
        except OSError:  # files cannot be locked here, or the disk is full
            file.close()
            path.unlink(missing_ok=True)
            raise


def _is_at(file: FileIO, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
