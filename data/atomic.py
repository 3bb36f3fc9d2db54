"""Files and folders that appear whole or not at all: written beside their place, then moved in.

Beside its place means in the same folder, under a hidden name with the process' id, so that the
move is one step and two processes never write to the same. What a killed process leaves under such
a name is never read. Only a folder that was moved aside to be replaced comes back,
if its process was killed before the new one was in its place.
"""

import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MAX_NAME_BYTES: Final = 200
"""A name may have 255 bytes, and that of what is written beside it has more than its own."""
_RETIRED: Final = ".retired"
"""Ending of the name of a folder that was moved aside."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write to; it takes the place of `path` when the block ends well.

    Raises
    ------
    OSError
        If it cannot be moved in. One of the block that names no file, or two, then names `path`.
    """
    partial = _beside(path)
    try:
        with _named(path):
            yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, *, first_stays: bool = False, replace: bool = False) -> Iterator[Path]:
    """Give a new folder to write to; it gets the name `path` when the block ends well.

    Parameters
    ----------
    first_stays
        Whether a folder that another process has moved in meanwhile is as good; by default it is
        an error.
    replace
        Whether an existing folder is replaced, after what killed processes left beside it is
        removed; by default a folder that holds anything is an error.

    Raises
    ------
    OSError
        If it cannot be made or moved in. One of the block that names no file, or two, then names
        `path`.
    """
    partial = _beside(path)
    retired = partial.with_name(partial.name + _RETIRED)
    if replace:
        _clear(path)
    shutil.rmtree(partial, ignore_errors=True)  # left by an earlier process with the same id
    try:
        partial.mkdir(parents=True)
        with _named(path):
            yield partial
        if replace and path.exists():
            path.rename(retired)
        try:
            partial.rename(path)
        except OSError:
            if not (first_stays and path.is_dir()):
                raise
    finally:
        if retired.exists() and not path.exists():
            retired.rename(path)
        for folder in (partial, retired):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have an error say where there was no space: writing names nothing, copying names the source.

    A file that is written has a hidden name, which would tell a user nothing.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or error.filename2 is not None):
            error.filename, error.filename2 = str(path), None
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{_short(path.name)}.{os.getpid()}")


def _short(name: str) -> str:
    """Give a name, or of one that leaves no room for more a digest."""
    whole = os.fsencode(name)
    return name if len(whole) <= MAX_NAME_BYTES else hashlib.blake2b(whole).hexdigest()[:32]


def _clear(path: Path) -> None:
    """Clear away what killed processes left; a folder that one had moved aside comes back."""
    for leftover in path.parent.glob(f".{glob.escape(_short(path.name))}.*"):
        owner = leftover.name.removesuffix(_RETIRED).rpartition(".")[2]
        if not owner.isdigit() or _is_running(int(owner)):
            continue
        if leftover.name.endswith(_RETIRED) and not path.exists():
            leftover.rename(path)
        else:
            shutil.rmtree(leftover, ignore_errors=True)


def _is_running(pid: int) -> bool:
    """Whether an id is that of another process that runs; this one's own id does not count."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
