"""Associations between TFs from STRING, in any of the three files that people have.

==============  ===============================================================================
web export      tab-separated, header `#node1 node2 ... combined_score`, scores 0 to 1
download pair   `protein.links`, separated by spaces, header `protein1 protein2 ...
                combined_score`, scores 0 to 1000; and `protein.info`, tab-separated, header
                `#string_protein_id preferred_name ...`, which is looked for beside it
list            no header, `TF partner`, separated by tabs or spaces; no scores
==============  ===============================================================================

The first line tells which of them a file is; each may be gzipped. Only links between TFs that are
asked for are kept, and a download, which has millions of rows, is read in blocks. An association
goes both ways; where one is listed twice, the higher score counts. Scores are 0 to 1, NaN in a
list.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from data.errors import DataError
from data.text import blocks, filled_lines

_SCORE: Final = "combined_score"
_MAX_DOWNLOADED: Final = 1000
_ID: Final = "string_protein_id"
_NAME: Final = "preferred_name"
_REMEDY: Final = (
    "give STRING's web export (#node1 node2 combined_score), its protein.links with protein.info "
    "beside it, or a list of `TF partner`"
)


@dataclass(frozen=True, kw_only=True)
class StringLinks:
    """Associations between TFs."""

    partners: Mapping[str, Mapping[str, float]]
    """Combined scores, 0 to 1, by TF and partner, in the file's order; NaN in a bare list."""
    source: Path
    """The file that they were read from."""

    def of(self, tf: str) -> Mapping[str, float]:
        """Partners of a TF with their scores; none where STRING does not have it."""
        return self.partners.get(tf, {})


def read_string_links(path: Path, tfs: Collection[str], info: Path | None = None) -> StringLinks:
    """Read the links between some TFs.

    Parameters
    ----------
    tfs
        TF names; the file's names may be in upper or lower case.
    info
        STRING's `protein.info`, where it does not lie beside `protein.links` under its own name.

    Raises
    ------
    DataError
        If the file is missing, of another format, has a bad row, or links none of the TFs.
    """
    first = _first_line(path)
    words = first.lower().lstrip("#").split()
    by_upper = {tf.upper(): tf for tf in tfs}
    if words[:2] == ["node1", "node2"]:
        links = _web_export(path, by_upper)
    elif words[:2] == ["protein1", "protein2"]:
        names = _names_of_ids(_info_beside(path) if info is None else info, by_upper)
        links = _downloaded(path, names)
    elif first.startswith("#") or len(words) != 2:
        raise DataError(f"{path}: row 1: not a file of links; {_REMEDY}")
    else:
        links = _bare_list(path, by_upper)
    partners: dict[str, dict[str, float]] = {}
    for tf, other, score in links:
        if tf == other:
            continue
        for one, two in ((tf, other), (other, tf)):
            scores = partners.setdefault(one, {})
            # a comparison with NaN is false: the first mention keeps its place
            if two not in scores or score > scores[two]:
                scores[two] = score
    if not partners:
        raise DataError(
            f"{path}: no link between two of the dataset's {len(by_upper)} TFs; give the links "
            "of the right species, by gene symbol as the dataset names its TFs"
        )
    return StringLinks(partners=partners, source=path)


def _web_export(path: Path, by_upper: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    lines = filled_lines(path)
    header = next(lines)[1].lstrip("#").split("\t")
    if _SCORE not in header:
        raise DataError(f"{path}: row 1: no column {_SCORE!r} in the header; {_REMEDY}")
    place = header.index(_SCORE)
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(
                f"{path}: row {number}: {len(cells)} columns where the header has {len(header)}; "
                "take the file from STRING again"
            )
        score = _score(path, number, cells[place], 1)
        names = [by_upper.get(cell.strip().upper()) for cell in cells[:2]]
        if names[0] is not None and names[1] is not None:
            yield names[0], names[1], score


def _bare_list(path: Path, by_upper: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    for number, line in filled_lines(path):
        cells = line.split()
        if len(cells) != 2:
            raise DataError(
                f"{path}: row {number}: {len(cells)} words where a list has a TF and its partner; "
                f"{_REMEDY}"
            )
        names = [by_upper.get(cell.upper()) for cell in cells]
        if names[0] is not None and names[1] is not None:
            yield names[0], names[1], math.nan


def _names_of_ids(info: Path, by_upper: Mapping[str, str]) -> dict[str, str]:
    """TF names by STRING's protein identifiers, of the TFs asked for."""
    lines = filled_lines(info)
    header = next(lines)[1].lstrip("#").split("\t")
    if header[:2] != [_ID, _NAME]:
        raise DataError(
            f"{info}: row 1: the header is not `#{_ID} {_NAME} ...`; give STRING's protein.info"
        )
    names = {}
    for number, line in lines:
        cells = line.split("\t", 2)
        if len(cells) < 2:
            raise DataError(f"{info}: row {number}: no {_NAME}; take the file from STRING again")
        tf = by_upper.get(cells[1].strip().upper())
        if tf is not None:
            names[cells[0]] = tf
    return names


def _downloaded(path: Path, names: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    """Links of the species' download, which has millions of rows: parsed and sifted by Arrow."""
    ids = pa.array(list(names), pa.string())
    columns = ["protein1", "protein2", _SCORE]
    if _SCORE not in _first_line(path).split():
        raise DataError(f"{path}: row 1: no column {_SCORE!r} in the header; {_REMEDY}")
    convert = pacsv.ConvertOptions(
        column_types={"protein1": pa.string(), "protein2": pa.string(), _SCORE: pa.int32()},
        include_columns=columns,
        null_values=[],
    )
    parse = pacsv.ParseOptions(delimiter=" ", quote_char=False)
    header = _first_line(path).split(" ")
    for first, text in blocks(path):
        rows = text[text.index(b"\n") + 1 :] if first == 1 else text
        if not rows.strip():
            continue
        read = pacsv.ReadOptions(column_names=header, use_threads=False, block_size=len(rows) + 1)
        try:
            table = pacsv.read_csv(pa.BufferReader(rows), read, parse, convert)
        except pa.ArrowException:
            _explain_row(path, "a row does not fit the header")
        scores = table.column(2).to_numpy()
        if ((scores < 0) | (scores > _MAX_DOWNLOADED)).any():
            _explain_row(path, "a score is not within 0 to 1000")
        kept = table.filter(pc.and_(pc.is_in(table.column(0), ids), pc.is_in(table.column(1), ids)))
        for one, two, score in zip(*(c.to_pylist() for c in kept.columns), strict=True):
            yield names[one], names[two], score / _MAX_DOWNLOADED


def _explain_row(path: Path, reason: str) -> NoReturn:
    """Name the row that made Arrow, or a check on a whole column, fail."""
    lines = filled_lines(path)
    header = next(lines)[1].split(" ")
    for number, line in lines:
        cells = line.split(" ")
        if len(cells) != len(header):
            raise DataError(
                f"{path}: row {number}: {len(cells)} columns where the header has {len(header)}; "
                "take the file from STRING again"
            )
        _score(path, number, cells[header.index(_SCORE)], _MAX_DOWNLOADED)
    raise DataError(f"{path}: cannot be read ({reason}); take the file from STRING again")


def _info_beside(path: Path) -> Path:
    """Where `protein.info` lies, for a `protein.links` (or `.links.full`, `.links.detailed`)."""
    prefix, found, rest = path.name.partition("protein.")
    version = "".join(part for part in rest.removesuffix(".gz").partition(".v")[1:])
    name = f"{prefix}protein.info{version or '.txt'}" if found else "protein.info.txt"
    beside = [path.with_name(name), path.with_name(f"{name}.gz")]
    for candidate in beside:
        if candidate.is_file():
            return candidate
    raise DataError(
        f"{path}: needs STRING's protein.info for the names of its proteins; put it beside, as "
        f"{beside[0].name} or {beside[1].name}, or name it with --string-info"
    )


def _score(path: Path, number: int, text: str, highest: float) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= highest:
        raise DataError(
            f"{path}: row {number}: {_SCORE} {text!r} is not a number from 0 to {highest:g}; "
            "take the file from STRING again"
        )
    return score


def _first_line(path: Path) -> str:
    for _, line in filled_lines(path):
        return line
    raise DataError(f"{path}: no rows; {_REMEDY}")
