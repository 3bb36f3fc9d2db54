"""The authors' arrays (`.npz`, float64 of 0, 1 and NaN), read a slice at a time.

A per-TF array of the release takes 756 MB when it is unpacked. Only the columns of the wanted
regions are kept, as int8: 0, 1 or `NULL_LABEL`.
"""

import lzma
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import NULL_LABEL

_MEMBER: Final = "arr_0.npy"
_BLOCK_BYTES: Final = 16 << 20
_REMEDY: Final = "fetch the file again"
_PARSING: Final = threading.Lock()
"""Python 3.11's parser, which reads headers, sometimes fails in two threads at a time."""


@dataclass(frozen=True, eq=False)
class ReleasedCalls:
    """The calls of one array at the wanted regions."""

    num_regions: int
    """Regions of the whole array."""
    values: NDArray[np.int8]
    """0, 1 or `NULL_LABEL`, shape (names, wanted regions)."""


def read_matrix(path: Path, num_names: int, kind: str, wanted: NDArray[np.int64]) -> ReleasedCalls:
    """Read the calls at some regions.

    Parameters
    ----------
    num_names
        Length of the axis that is not regions; tells which one that is.
    kind
        What the names are, plural, for messages.
    wanted
        Indices of regions, shape (n,).

    Raises
    ------
    DataError
        If the file is damaged, of another shape or content, or lacks a wanted region.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as file:
            shape, is_transposed, dtype = _read_header(path, file)
            names_first = _names_first(path, shape, num_names, kind)
            num_regions = shape[1] if names_first else shape[0]
            if len(wanted) and wanted.max() >= num_regions:
                raise DataError(
                    f"{path}: has {num_regions:,} regions, but the FASTA files name region "
                    f"{wanted.max()}; take arrays and sequences from one release"
                )
            values = np.empty((num_names, len(wanted)), dtype=np.int8)
            # in the file's order, the slow axis is the first one of what is read
            slow_is_names = names_first != is_transposed
            fast, slow = (shape[0], shape[1]) if is_transposed else (shape[1], shape[0])
            for first, block in _blocks(file, slow, fast, dtype):
                if slow_is_names:
                    calls = _to_calls(path, block[:, wanted])
                    values[first : first + len(block)] = calls
                else:
                    here = np.flatnonzero((wanted >= first) & (wanted < first + len(block)))
                    values[:, here] = _to_calls(path, block[wanted[here] - first]).T
            if file.read(1):
                raise DataError(f"{path}: holds more than its header says; {_REMEDY}")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the path") from None
    except KeyError:
        raise DataError(f"{path}: holds no {_MEMBER}; {_REMEDY}") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise DataError(f"{path}: damaged ({error}); {_REMEDY}") from None
    except (NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); {_REMEDY}") from None
    return ReleasedCalls(num_regions, values)


def _read_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, int], bool, np.dtype]:
    """Shape, whether the second axis is the slow one, and type of an array file."""
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with _PARSING:
            shape, is_fortran, dtype = read(file)
    except (ValueError, KeyError, SyntaxError, TypeError, tokenize.TokenError) as error:
        raise DataError(f"{path}: {_MEMBER} has no readable header ({error}); {_REMEDY}") from None
    if dtype.kind not in "fiub":
        raise DataError(f"{path}: holds {dtype.name}, not numbers; refused, {_REMEDY}")
    if len(shape) != 2:
        raise DataError(f"{path}: has {len(shape)} axes, not two; give the authors' 2D matrices")
    return shape, is_fortran, dtype


def _names_first(path: Path, shape: tuple[int, int], num_names: int, kind: str) -> bool:
    matching = [axis for axis in (0, 1) if shape[axis] == num_names]
    if not matching:
        raise DataError(
            f"{path}: has shape {shape[0]:,} x {shape[1]:,}, but the index names {num_names} "
            f"{kind}; take array and index from one release"
        )
    if len(matching) == 2:
        raise DataError(
            f"{path}: both axes are {num_names} long, as many as there are {kind}: which one is "
            "regions cannot be told; give more regions"
        )
    return matching == [0]


def _blocks(
    file: IO[bytes], slow: int, fast: int, dtype: np.dtype
) -> Iterator[tuple[int, NDArray]]:
    """Read rows along the slow axis: (first row, block of shape (rows, fast))."""
    row_bytes = fast * dtype.itemsize
    rows = max(1, _BLOCK_BYTES // max(1, row_bytes))
    for first in range(0, slow, rows):
        count = min(rows, slow - first)
        content = file.read(count * row_bytes)
        if len(content) < count * row_bytes:
            raise EOFError(f"it ends in row {first + len(content) // row_bytes} of {slow}")
        yield first, np.frombuffer(content, dtype=dtype).reshape(count, fast)


def _to_calls(path: Path, values: NDArray) -> NDArray[np.int8]:
    is_null = np.isnan(values)
    calls = np.where(is_null, NULL_LABEL, values)
    strange = ~is_null & (values != 0) & (values != 1)
    if strange.any():
        raise DataError(
            f"{path}: holds {values[strange][0]:g} where only 0, 1 and NaN can stand; "
            "give the authors' ReMap+UniBind matrices"
        )
    return calls.astype(np.int8)
