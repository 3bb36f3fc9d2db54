"""Files and folders that appear whole or not at all: written beside their place, then moved in.

Beside its place means in the same folder, under a hidden name with the process' id, so that the
move is one step and two processes never write to the same. What a killed process leaves under such
a name is no result; nothing reads it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write to; it takes the place of `path` when the block ends well.

    Raises
    ------
    OSError
        If it cannot be moved in.
    """
    partial = _beside(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, first_stays: bool = False) -> Iterator[Path]:
    """Give a new folder to write to; it gets the name `path` when the block ends well.

    Parameters
    ----------
    first_stays
        Whether a folder that another process has moved in meanwhile is as good.

    Raises
    ------
    OSError
        If it cannot be made or moved in.
    """
    partial = _beside(path)
    try:
        partial.mkdir(parents=True)
        yield partial
        try:
            partial.rename(path)
        except OSError:
            if not (first_stays and path.is_dir()):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
