"""Index files of the authors' release, which are pickles, read without trusting them.

A pickle is a program. Its instructions are looked at before any of them runs: those that make
dicts, tuples, str and int are admitted, and a file with any other is refused. So no object is
made, no function is looked up, and no memory is allocated beyond what the file itself fills.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, Final, NoReturn

from data.errors import DataError
from data.text import UNPACK_ERRORS, open_binary

_MAX_BYTES: Final = 1 << 30
"""Uncompressed; the largest real index, a key per region, has a tenth of it."""
_REMEDY: Final = "only dict, tuple, str and int are read; take the file from the authors' release"

_STORES: Final = {"PUT", "BINPUT", "LONG_BINPUT"}
_LOOKUPS: Final = {"GLOBAL", "INST", "STACK_GLOBAL"}
_ADMITTED: Final = _STORES | {
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE"),
    *("GET", "BINGET", "LONG_BINGET", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
}


class _NothingFound(pickle.Unpickler):
    """The second safeguard: looks up nothing, whatever passed the first one."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} refused")


def read_index(path: Path) -> dict[str, int]:
    """Read a pickled index: name -> position, positions 0 to n - 1, each once.

    Raises
    ------
    DataError
        If the file is missing, damaged, holds anything but dict, tuple, str and int, or is no
        index.
    """
    index = read_plain_pickle(path)
    if not isinstance(index, dict) or not index:
        raise DataError(f"{path}: no dict of names; take the file from the authors' release")
    for name, position in index.items():
        if type(name) is not str or type(position) is not int:
            raise DataError(
                f"{path}: entry {name!r}: {position!r} is no name with its position; "
                "take the file from the authors' release"
            )
    if sorted(index.values()) != list(range(len(index))):
        raise DataError(
            f"{path}: the positions are not 0 to {len(index) - 1}, each once; "
            "take the file from the authors' release"
        )
    return index


def read_plain_pickle(path: Path) -> Any:
    """Read a pickle, gzipped or not, of dicts, tuples, str and int.

    Raises
    ------
    DataError
        If it holds anything else, which the message names, or is damaged.
    """
    try:
        with open_binary(path) as file:
            content = file.read(_MAX_BYTES + 1)
    except (*UNPACK_ERRORS, OSError) as error:
        raise DataError(f"{path}: damaged gzip ({error}); fetch the file again") from None
    if len(content) > _MAX_BYTES:
        raise DataError(f"{path}: refused, over {_MAX_BYTES:,} bytes uncompressed; {_REMEDY}")
    try:
        _check_instructions(path, content)
        value = _NothingFound(io.BytesIO(content)).load()
    except DataError:
        raise
    except Exception as error:  # a damaged file raises errors of many kinds
        raise DataError(f"{path}: damaged pickle ({error}); fetch the file again") from None
    _check_types(path, value)
    return value


def _check_instructions(path: Path, content: bytes) -> None:
    last_texts = ["?", "?"]
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _LOOKUPS:
            named = ".".join(last_texts)
            if opcode.name != "STACK_GLOBAL":
                named = str(argument).replace(" ", ".")
            raise DataError(f"{path}: refused, it names the Python object {named}; {_REMEDY}")
        # the reader would allocate memory up to a huge memo index
        if opcode.name not in _ADMITTED or (
            opcode.name in _STORES and isinstance(argument, int) and argument > len(content)
        ):
            raise DataError(f"{path}: refused, it holds a {opcode.name.lower()}; {_REMEDY}")
        if isinstance(argument, str):
            last_texts = [last_texts[1], argument]


def _check_types(path: Path, value: object) -> None:
    """Refuse what the admitted instructions can still make: bool and values inside themselves."""
    waiting, seen = [value], set[int]()
    while waiting:
        item = waiting.pop()
        if type(item) in (str, int):
            continue
        if type(item) not in (dict, tuple):
            raise DataError(f"{path}: refused, it holds a {type(item).__name__}; {_REMEDY}")
        if id(item) not in seen:
            seen.add(id(item))
            if isinstance(item, dict):
                waiting += item.values()
            if isinstance(item, dict | tuple):
                waiting += item
