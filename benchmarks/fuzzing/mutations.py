"""What is done to a good file: each a function of its content and a random generator."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from Bio import bgzf

from benchmarks.fuzzing.good import Kind, npy, npz

Mutator = Callable[[bytes, np.random.Generator], bytes]

HOSTILE: Final = (
    *("", " ", "../../etc/passwd", "nan", "NULL", "-", ".", "0", "'", '"', '"a', "a'b", "%s%n"),
    *("{0}", "{}", "[red]x[/red]", "[/]", "$(id)", "`id`", ";id", "=1+1", "<b>", "\\", "\\n", "#"),
    *("\t", "\r", "\x1b[31mred", "\x07", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u202eabc"),
    *("é", "日本", "🧬", "\ufeff", "a" * 300, "x" * 70_000, "a.b.c.d.e", "..", ".." * 40, "CON"),
    *("__class__", "track", "browser", "start", ">x", "@x", "chr1:1-2", "A,B", "A;B", "A|B"),
)
"""Names that make programs fail."""
HUGE: Final = (
    *("2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775808"),
    *("-1", "-0", "+5", "1e5", "1e308", "1e999", "-1e999", "nan", "inf", "-inf", "0x10", "1_000"),
    *("1" * 40, "9" * 5000, "0.5", "1,000", "٣", "0", "00012", "1e-320", " 7", "7 "),
)
"""Numbers that make programs fail."""
_FILE_NAMES: Final = (
    *("with blank.txt", "[red].txt", "{0}.txt", "%s.txt", "a'b\".txt", "é日本.txt", "-x.txt"),
    *("new\nline.txt", "\x1b[31m.txt", "a#b.txt", "latin\udce9.txt", "x" * 240, "~", "$(id)"),
)
_WHOLE: Final = (
    *(b"", b"\n", b"\n" * 1000, b" \t \n", b"\xef\xbb\xbf", b"\0" * 5000, b"A" * 1_000_000),
    *(b"<!DOCTYPE html><html><body>404</body></html>", b"\x89PNG\r\n\x1a\n\0\0", b"\x1f\x8b"),
    *(b"PK\3\4\0\0\0\0", b"{}", b"[]", b"null", b"[" * 100_000, b"#\n", b"chr1\t1\t2\n", b">\n"),
    *(b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"track name=x\n", b"\r\r\r", b"\xff\xfe1\0"),
)
"""Files that are not what is wanted at all."""
ELSEWHERE: Final = "rows on other chromosomes"
"""The mutation whose outcome is known."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A good file, changed."""

    number: int
    kind: Kind
    name: str
    """What was done, the first of all."""
    content: bytes
    file: str
    """Name that the changed file has."""
    left_out: tuple[int, ...] = ()
    """Rows that must be left out, where that is known; the command must end well then."""


def mutation(seed: int, number: int, kinds: tuple[Kind, ...]) -> Mutation:
    """Make a mutation: a pure function of its arguments."""
    rng = np.random.default_rng([seed, number])
    kind = kinds[number % len(kinds)]
    content = kind.inputs[kind.file]
    possible = _mutators(kind.layout)
    names = [*possible, *(["file name"] if kind.has_own_name else [])]
    names += [ELSEWHERE] if kind.layout == "places" else []
    name = str(rng.choice(names))
    if name == ELSEWHERE:
        changed, rows = _elsewhere(content, rng)
        return Mutation(
            number=number, kind=kind, name=name, content=changed, file=kind.file, left_out=rows
        )
    if name == "file name":
        file = str(rng.choice(np.array(_FILE_NAMES, dtype=object)))
        return Mutation(number=number, kind=kind, name=name, content=content, file=file)
    packed = content[:2] == b"\x1f\x8b" and kind.layout in ("text", "pickle")
    changed = possible[name](gzip.decompress(content) if packed else content, rng)
    for _ in range(int(rng.choice(3, p=(0.7, 0.2, 0.1)))):
        changed = possible[str(rng.choice(list(possible)))](changed, rng)
    if packed:
        changed = gzip.compress(changed, mtime=0)
    elif kind.has_own_name and rng.random() < 0.3:
        changed = _packed(changed, rng)
    return Mutation(number=number, kind=kind, name=name, content=changed, file=kind.file)


def _mutators(layout: str) -> dict[str, Mutator]:
    found: dict[str, Mutator] = dict(_BYTES)
    if layout in ("text", "columns", "places", "json"):
        found |= _TEXT
    if layout in ("columns", "places"):
        found |= _COLUMNS
    if layout == "places":
        found |= {"shifted places": _shifted_places}
    return found | {"json": _JSON, "npz": _NPZ, "pickle": _PICKLE}.get(layout, {})


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, max(len(content), 1)))]


def _random_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(0, max(len(content), 1), int(rng.integers(1, 9))):
        changed[place : place + 1] = rng.bytes(int(rng.integers(1, 5)))
    return bytes(changed)


def _flipped_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content or b"\0")
    for place in rng.integers(0, len(changed), int(rng.integers(1, 4))):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _shifted(content: bytes, rng: np.random.Generator) -> bytes:
    """Move a stretch, or put some bytes in front."""
    low, high = np.sort(rng.integers(0, len(content) + 1, 2))
    if rng.random() < 0.5:
        return content[high:] + content[low:high] + content[:low]
    return rng.bytes(int(rng.integers(1, 40))) + content


def _other_file(content: bytes, rng: np.random.Generator) -> bytes:
    return _WHOLE[int(rng.integers(len(_WHOLE)))]


def _twice(content: bytes, rng: np.random.Generator) -> bytes:
    return content + content


def _mixed_line_ends(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    ends = (b"\n", b"\r\n", b"\r", b"\n\n", b" \n", b"\t\n")
    chosen = rng.choice(len(ends), len(lines), p=(0.5, 0.2, 0.2, 0.04, 0.03, 0.03))
    return b"".join(line + ends[end] for line, end in zip(lines, chosen, strict=True))


def _replaced(pattern: str, values: tuple[str, ...]) -> Mutator:
    """Put one of some values in place of some of the words that fit a pattern."""
    word = re.compile(pattern)

    def replace(content: bytes, rng: np.random.Generator) -> bytes:
        text = content.decode("latin-1")
        found = [match.span() for match in word.finditer(text)]
        if not found:
            return content
        # near the top as often as anywhere, since headers stand there
        last = len(found) if rng.random() < 0.5 else min(len(found), 12)
        places = sorted({int(i) for i in rng.integers(0, last, int(rng.integers(1, 5)))})
        for place in reversed(places):
            low, high = found[place]
            value = values[int(rng.integers(len(values)))].encode().decode("latin-1")
            text = text[:low] + value + text[high:]
        return text.encode("latin-1")

    return replace


def _rows(change: Callable[[list[bytes], np.random.Generator], list[bytes]]) -> Mutator:
    def changed(content: bytes, rng: np.random.Generator) -> bytes:
        return b"\n".join(change(content.split(b"\n"), rng))

    return changed


def _shuffled(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    return [lines[i] for i in rng.permutation(len(lines))]


def _some_missing(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    first = int(rng.integers(len(lines)))
    return lines[:first] + lines[first + int(rng.integers(1, 4)) :]


def _more_lines(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    lines = list(lines)
    more = (b"", b"   ", b"\t\t", b"# comment", b"track name=x", b"browser position chr1", b"x")
    for _ in range(int(rng.integers(1, 6))):
        lines.insert(int(rng.integers(len(lines) + 1)), more[int(rng.integers(len(more)))])
    return lines


def _joined(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    first = int(rng.integers(len(lines)))
    return [*lines[:first], b"".join(lines[first : first + 2]), *lines[first + 2 :]]


def _encoded(content: bytes, rng: np.random.Generator) -> bytes:
    text = content.decode("latin-1").replace("e", "é", int(rng.integers(0, 3)))
    choice = int(rng.integers(5))
    if choice == 0:
        return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    return text.encode(("utf-8", "latin-1", "utf-16", "utf-8-sig", "utf-32")[choice], "replace")


def _blanks(content: bytes, rng: np.random.Generator) -> bytes:
    return content.replace(b"\t", (b" ", b"  ", b",", b";", b"\t\t")[int(rng.integers(5))])


_Cells = list[bytes]


def _columns(change: Callable[[_Cells, int, int], _Cells]) -> Mutator:
    """Change the cells of one row, of some, or of all; two columns are drawn."""

    def changed(content: bytes, rng: np.random.Generator) -> bytes:
        lines = content.split(b"\n")
        width = max(line.count(b"\t") + 1 for line in lines)
        one, other = (int(i) for i in rng.integers(0, width, 2))
        share = rng.choice((0.0, 0.01, 0.6, 1.0))
        chosen = rng.random(len(lines)) < share
        chosen[int(rng.integers(len(lines)))] = True
        rows = zip(lines, chosen, strict=True)
        return b"\n".join(
            b"\t".join(change(line.split(b"\t"), one, other)) if here and line else line
            for line, here in rows
        )

    return changed


def _swap(cells: _Cells, one: int, other: int) -> _Cells:
    if max(one, other) < len(cells):
        cells[one], cells[other] = cells[other], cells[one]
    return cells


def _drop(cells: _Cells, one: int, other: int) -> _Cells:
    return [*cells[:one], *cells[one + 1 :]]


def _double(cells: _Cells, one: int, other: int) -> _Cells:
    return [*cells[:one], *cells[one : one + 1], *cells[one:]]


def _empty(cells: _Cells, one: int, other: int) -> _Cells:
    return [b"" if i == one else cell for i, cell in enumerate(cells)]


def _insert(cells: _Cells, one: int, other: int) -> _Cells:
    return [*cells[:one], b"585", *cells[one:]]


def _shifted_places(content: bytes, rng: np.random.Generator) -> bytes:
    """Add a number to the second and third column of all rows, or of some."""
    by = int(rng.choice((-1000, -1, 1, 300, 50_000, 10_000_000, 2_000_000_000)))
    share = rng.choice((0.005, 0.3, 1.0))
    lines = []
    for line in content.split(b"\n"):
        cells = line.split(b"\t")
        if len(cells) > 2 and cells[1].isdigit() and rng.random() < share:
            cells[1:3] = [
                str(int(cell) + by).encode() if cell.isdigit() else cell for cell in cells[1:3]
            ]
        lines.append(b"\t".join(cells))
    return b"\n".join(lines)


def _elsewhere(content: bytes, rng: np.random.Generator) -> tuple[bytes, tuple[int, ...]]:
    """Put one to three rows on a chromosome that no other file has; gives content and rows."""
    lines = content.split(b"\n")
    data = [
        i
        for i, line in enumerate(lines)
        if line.count(b"\t") > 1 and line.split(b"\t")[1].isdigit()
    ]
    chosen = sorted(int(i) for i in rng.choice(data, min(int(rng.integers(1, 4)), len(data) // 20)))
    chosen = sorted(set(chosen)) or [data[0]]
    for i in chosen:
        lines[i] = b"chrElsewhere\t" + lines[i].partition(b"\t")[2]
    return b"\n".join(lines), tuple(i + 1 for i in chosen)


def _packed(content: bytes, rng: np.random.Generator) -> bytes:
    """Compress, and now and then damage the result."""
    half = len(content) // 2

    def members(text: bytes) -> bytes:
        return gzip.compress(text[:half], mtime=0) + gzip.compress(text[half:], mtime=0)

    def zstd(text: bytes) -> bytes:
        return pa.compress(text, "zstd", asbytes=True) if text else text

    packers = (members, _as_bgzf, bz2.compress, lzma.compress, zstd)
    packed = packers[int(rng.integers(len(packers)))](content)
    if rng.random() < 0.5:
        return packed
    return (_truncated, _flipped_bits, _twice)[int(rng.integers(3))](packed, rng)


def _as_bgzf(content: bytes) -> bytes:
    file = io.BytesIO()
    writer = bgzf.BgzfWriter(fileobj=file)
    writer.write(content)
    writer.flush()
    return file.getvalue()


def _json(change: Callable[[Any, Any, np.random.Generator], None]) -> Mutator:
    """Change a dict or a list of a JSON file, given with one of its keys."""

    def changed(content: bytes, rng: np.random.Generator) -> bytes:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            return content
        if not isinstance(value, dict | list):
            return content
        places: list[tuple[Any, Any]] = []
        waiting = [value]
        while waiting:
            item = waiting.pop()
            keys = item if isinstance(item, dict) else range(len(item))
            places += [(item, key) for key in keys]
            waiting += [item[key] for key in keys if isinstance(item[key], dict | list)]
        if not places:
            return content
        change(*places[int(rng.integers(len(places)))], rng)
        return json.dumps(value).encode()

    return changed


def _other_value(item: Any, key: Any, rng: np.random.Generator) -> None:
    values: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        1 << 70,
        1e308,
        float("nan"),
        "",
        "x",
        "../x",
        [],
        {},
        [[]],
        "é",
    )
    item[key] = values[int(rng.integers(len(values)))]


def _lacks_key(item: Any, key: Any, rng: np.random.Generator) -> None:
    del item[key]


def _other_key(item: Any, key: Any, rng: np.random.Generator) -> None:
    if isinstance(item, dict):
        item["surplus"] = item.pop(key)
    else:
        item.append(item[key])


def _array(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Mutator:
    def changed(content: bytes, rng: np.random.Generator) -> bytes:
        try:
            found: list[np.ndarray] = list(np.load(io.BytesIO(content)).values())
            return npz(npy(change(found[0], rng)))
        except Exception:  # it was damaged before
            return content

    return changed


def _other_cells(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    flat = values.ravel()
    flat[int(rng.integers(flat.size))] = rng.choice((2.0, -1.0, np.inf, 0.5, 1.0, 0.0, np.nan))
    return flat.reshape(values.shape)


def _other_type(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    types = ("float16", "int64", "complex128", "O", "S3", "U2", "M8[s]", ">f8", "?", "u1")
    with np.errstate(invalid="ignore"):
        return values.astype(types[int(rng.integers(len(types)))])


def _other_shape(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shapes = (values.T, values[:, 1:], values[:1], values.ravel(), values[None], values[:, :2])
    return (*shapes, values[:0], np.asfortranarray(values), np.array(1.0))[int(rng.integers(9))]


def _header(content: bytes, rng: np.random.Generator) -> bytes:
    """Say another shape than there is, or use another name."""
    said = ((1 << 40, 40), (2, 1 << 40), (-1, 40), (2, 0), (True, 40), (2, 40.0), (2,), "x")
    array = npy(np.zeros((2, 40)))
    head = repr({"descr": "<f8", "fortran_order": False, "shape": said[int(rng.integers(8))]})
    head = head.ljust(117) + "\n"
    changed = b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + array[128:]
    return npz(changed, "arr_0.npy" if rng.random() < 0.8 else "../arr_0.npy")


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, ("open('evil', 'w').close()",))


def _other_pickle(content: bytes, rng: np.random.Generator) -> bytes:
    values: tuple[object, ...] = (
        *(_Evil(), [1], {"a": 1.5}, {"a": 0, "b": 0}, {1: 0}, {}, None, {"a": "b"}, {"a": -1}),
        *({"": 0}, {"../a": 0}, {"a" * 100_000: 0}, {"AAA": True}, {"é\n": 0}, {"a": 1 << 80}),
        np.zeros(3),
    )
    value = values[int(rng.integers(len(values)))]
    return pickle.dumps(value, protocol=int(rng.integers(0, 6)))


_BYTES: Final[dict[str, Mutator]] = {
    "truncated": _truncated,
    "random bytes": _random_bytes,
    "flipped bits": _flipped_bits,
    "shifted bytes": _shifted,
    "another file": _other_file,
    "twice": _twice,
}
_TEXT: Final[dict[str, Mutator]] = {
    "mixed line ends": _mixed_line_ends,
    "hostile names": _replaced(r"[^\s\"]+", HOSTILE),
    "huge numbers": _replaced(r"-?\d[\d.]*", HUGE),
    "shuffled rows": _rows(_shuffled),
    "missing rows": _rows(_some_missing),
    "more lines": _rows(_more_lines),
    "joined lines": _rows(_joined),
    "encoding": _encoded,
    "separators": _blanks,
}
_COLUMNS: Final[dict[str, Mutator]] = {
    "swapped columns": _columns(_swap),
    "dropped columns": _columns(_drop),
    "doubled columns": _columns(_double),
    "emptied columns": _columns(_empty),
    "shifted columns": _columns(_insert),
}
_JSON: Final[dict[str, Mutator]] = {
    "other values": _json(_other_value),
    "lacking keys": _json(_lacks_key),
    "other keys": _json(_other_key),
}
_NPZ: Final[dict[str, Mutator]] = {
    "other cells": _array(_other_cells),
    "other type": _array(_other_type),
    "other shape": _array(_other_shape),
    "other header": _header,
}
_PICKLE: Final[dict[str, Mutator]] = {"other pickle": _other_pickle}
