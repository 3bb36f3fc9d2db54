"""A VCF file with the predictions for its variants added to INFO, and otherwise unchanged.

The fields are declared at the end of the header. Each has a value for every alternative allele
(`Number=A`), a missing one where there is no prediction. Their names begin with that of the model,
so that a file can be annotated by one model after the other; earlier ones by the same model are
replaced.
"""

import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pandas as pd

from data.errors import DataError
from data.output import Output, text_output
from data.queries.vcf import COLUMNS, MISSING, is_row, num_alternatives, row_fields
from data.text import all_lines
from orchestrator.prediction.writers import Writer

FIELDS: Final = {
    "ref_probability": ("Float", "Probability of binding with the reference allele"),
    "alt_probability": ("Float", "Probability of binding with the alternative allele"),
    "effect": ("Float", "Probability of the alternative allele minus that of the reference allele"),
    "logit_effect": ("Float", "Logit of the alternative allele minus that of the reference allele"),
    "spread": ("Float", "Standard deviation over replicates, the larger of both alleles'"),
    "swapped": ("Integer", "1 where the genome has the alternative allele, not the reference one"),
    "motif": ("String", "Motif of which the allele lies in a hit"),
    "motif_positions": ("String", "Positions of the motif that the allele touches, and its strand"),
    "motif_bits_change": ("Float", "Change of the score of the motif's hit, in bits"),
    "reason": ("String", "Why there is no prediction"),
    "ref_quantile": ("Float", "Share of windows of the genome of lower probability than REF's"),
    "p_value": ("Float", "Share of random substitutions of as large an effect on the logit"),
    "q_value": ("Float", "Rate of false discoveries at the p-value, over this file"),
}
"""Columns of the table of variants that become INFO fields: type and description."""
NULL_FIELDS: Final = frozenset({"ref_quantile", "p_value", "q_value"})
"""Those of a comparison with a null."""
_NO_ALTERNATIVE: Final = ("", MISSING)
_ENCODED: Final = str.maketrans(
    {"%": "%25", ":": "%3A", ";": "%3B", "=": "%3D", ",": "%2C", "\t": "%09", " ": "_"}
)
"""Characters that a string in INFO cannot hold, as VCF 4.3 spells them."""


@contextmanager
def annotating(
    output: Output,
    source: Path,
    model: str,
    origin: str,
    *,
    has_motif: bool,
    has_null: bool = False,
) -> Iterator[Writer]:
    """Give a writer of the VCF file that was read; it is there when the block ends well.

    Parameters
    ----------
    output
        Where to write.
    source
        The VCF file. Every alternative allele of it must come in the tables, in its order, and all
        those of a row in one table.
    model
        Name of the model; the names of the fields begin with it.
    origin
        Where the model comes from, for the descriptions in the header.
    has_motif
        Whether the tables have the columns of a motif.
    has_null
        Whether they have those of a comparison with a null; by default they do not.

    Raises
    ------
    DataError
        If the file has no header line.
    """
    keys = {name: info_key(model, name) for name in FIELDS}
    left_out = {name for name in FIELDS if name.startswith("motif") and not has_motif}
    left_out |= NULL_FIELDS if not has_null else frozenset()
    with text_output(output) as file:
        writer = _AnnotatedVcf(file, source, keys, left_out)
        writer.copy_header(f"{model} ({origin})")
        yield writer
        writer.finish()


class _AnnotatedVcf:
    """Reads the VCF file once more, beside the tables that come."""

    def __init__(
        self, file: IO[str], source: Path, keys: dict[str, str], left_out: Set[str]
    ) -> None:
        self._file = file
        self._source = source
        self._lines = all_lines(source)
        self._keys = {name: key for name, key in keys.items() if name not in left_out}
        self._replaced = frozenset(keys.values())
        self._has_old_values = False

    def copy_header(self, model: str) -> None:
        """Copy the header, and declare the fields at its end.

        Raises
        ------
        DataError
            If there is no header line.
        """
        old = tuple(f"##INFO=<ID={key}," for key in self._replaced)
        for _, line in self._lines:
            if line.startswith(COLUMNS[0]):
                columns = line.split("\t")
                columns += COLUMNS[len(columns) :]
                self._file.writelines(
                    f'##INFO=<ID={key},Number=A,Type={FIELDS[name][0]},Description="'
                    f'{FIELDS[name][1]}, by the model {_quoted(model)}",Source="bindgrid">\n'
                    for name, key in self._keys.items()
                )
                self._file.write("\t".join(columns) + "\n")
                return
            if is_row(line):
                break
            if line.startswith(old):
                self._has_old_values = True
            else:
                self._file.write(f"{line}\n")
        raise DataError(
            f"{self._source}: no line that begins with {COLUMNS[0]} before the variants; add it, "
            "or write a table (.tsv, .csv or .parquet)"
        )

    def write(self, table: pd.DataFrame) -> None:
        columns = {key: _values(table[name]) for name, key in self._keys.items()}
        num_done = 0
        while num_done < len(table):
            _, line = next(self._lines)
            if (row := row_fields(line)) is not None:
                num = num_alternatives(row[4])
                values = {key: one[num_done : num_done + num] for key, one in columns.items()}
                line = self._annotated(line, values)
                num_done += num
            self._file.write(f"{line}\n")

    def finish(self) -> None:
        """Copy what follows the last variant."""
        self._file.writelines(f"{line}\n" for _, line in self._lines)

    def _annotated(self, line: str, values: dict[str, list[str]]) -> str:
        fields = line.split("\t", len(COLUMNS))
        if fields[4] in _NO_ALTERNATIVE:
            return line
        fields += [MISSING] * (len(COLUMNS) - len(fields))
        kept = [] if fields[7] in ("", MISSING) else [fields[7].rstrip(";")]
        if self._has_old_values:
            kept = [
                item
                for old in kept
                for item in old.split(";")
                if item.partition("=")[0] not in self._replaced
            ]
        fields[7] = ";".join(kept + [f"{key}={','.join(own)}" for key, own in values.items()])
        return "\t".join(fields)


def info_key(model: str, column: str) -> str:
    """Name the INFO field of a column: as VCF wants it, letters, digits, dots and underscores."""
    plain = re.sub(r"[^0-9A-Za-z_.]", "_", model)
    return f"{plain if plain[:1].isalpha() else f'_{plain}'}_{column}"


def _values(column: pd.Series) -> list[str]:
    if pd.api.types.is_bool_dtype(column):
        return [MISSING if pd.isna(value) else str(int(value)) for value in column]
    if pd.api.types.is_float_dtype(column):
        return [MISSING if pd.isna(value) else f"{value:.5g}" for value in column]
    return [str(value).translate(_ENCODED) or MISSING for value in column]


def _quoted(text: str) -> str:
    """Spell a text as the inside of a quoted string of the header."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
