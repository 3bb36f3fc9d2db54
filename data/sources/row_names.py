"""What the names of peaks and sites say: a TF in a biosample, and which pair of a dataset that is.

There are two ways to tell the pairs. Where the experiment and the sample table are given, names are
those of the tables (:class:`ListedNames`). Where they are not, the pairs are those of the sites'
own names, as in the paper, and biosamples are recognized by the publishers' names
(:class:`PublishedNames`, `data.sources.biosamples`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from data.errors import DataError
from data.near_names import folded, near_names
from data.sources.biosamples import Biosamples
from data.sources.name_rules import NameRules, Treated
from data.sources.tables import (
    Profiled,
    SourceFiles,
    read_dhs_sources,
    read_experiments,
    read_profiled,
    read_samples,
)
from data.words import counted

NO_PAIR: Final = -1
UNLISTED: Final = "of no listed experiment"
TREATED: Final = "of treated samples"
UNMATCHED: Final = "of biosamples without DHSs"
NO_SITES_OF_TF: Final = "of TFs without sites"
NO_SITES_OF_PAIR: Final = "of TFs without sites in the biosample"
_TOLD: Final = 3
"""Most names that an error message gives."""
_MATRIX_SUFFIX: Final = re.compile(r"\.[A-Z]{2}\d+\.\d+(\.[A-Za-z]+)*$")
"""UniBind's matrix and prediction model behind a name, such as `.MA0139.1.damo.bed`."""
_COMPRESSED: Final = re.compile(r"(?P<experiment>[^_]+)_(?P<biosample>.+)_(?P<tf>[^_]+)_MA\d+\.\d+")
"""A name in the one BED file of all that UniBind offers, such as `EXP1_K562_SPI1_MA0080.5`."""


def remap_name(name: str) -> tuple[str, str]:
    """TF and biosample of a ReMap peak's name; `ValueError` if it does not tell them."""
    words = [word for word in map(str.strip, name.split(".")) if word]
    _, tf, *biosample = words
    if not biosample:
        raise ValueError(name)
    return tf, ".".join(biosample)


def unibind_name(name: str) -> tuple[str, str]:
    """TF and biosample of a UniBind site's or file's name; `ValueError` if it tells neither."""
    compressed = _COMPRESSED.fullmatch(name.strip())
    if compressed is not None:
        return compressed["tf"], compressed["biosample"]
    _, rest = _MATRIX_SUFFIX.sub("", name.strip()).split(".", 1)
    biosample, tf = rest.rsplit(".", 1)
    if not biosample or not tf:
        raise ValueError(name)
    return tf, biosample


def says_matrix(name: str) -> bool:
    """Whether a name ends in a matrix, as UniBind's do."""
    return bool(_MATRIX_SUFFIX.search(name.strip()) or _COMPRESSED.fullmatch(name.strip()))


@dataclass(frozen=True)
class LookUp:
    """The pair of the dataset that a TF in a biosample is, or why its rows are left out."""

    pair: int
    """Index of the pair, or `NO_PAIR`."""
    reason: str = ""
    """Why its rows are left out, where they are."""


class UnknownTF(Exception):
    """A TF that the dataset lacks; the message says so, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class RowNames(Protocol):
    """Tells which pair a row is of, from the TF and the biosample that its name gives."""

    def look_up(self, tf: str, biosample: str) -> LookUp:
        """Look a TF in a biosample up; `UnknownTF` where its rows may not just be left out."""
        ...

    def check(self, path: Path) -> None:
        """Stop, with a `DataError`, where the names of a file do not match those of the others."""
        ...

    def profiled(self) -> Profiled:
        """Give what was profiled, once the sites are read."""
        ...


class ListedNames:
    """The names of the experiment and the sample table.

    Parameters
    ----------
    profiled
        What the two tables say.
    skip_unlisted
        Whether rows of TFs without an experiment, and of biosamples that seem to be spelled
        otherwise than in the tables, are left out and counted, not an error.
    """

    def __init__(self, profiled: Profiled, *, skip_unlisted: bool) -> None:
        self._profiled = profiled
        self._skip = skip_unlisted
        self._pairs = profiled.pair_index()
        self._listed: dict[str, list[str]] = {tf: [] for tf in profiled.tfs}
        for tf, biosample in self._pairs:
            self._listed[tf].append(biosample)
        self._matched: set[str] = set()
        self._unlisted: list[tuple[str, str]] = []

    def look_up(self, tf: str, biosample: str) -> LookUp:
        """Look a TF in a biosample up in the experiment table."""
        if tf not in self._listed and not self._skip:
            near = near_names(tf, self._listed)
            hint = f" (near: {', '.join(near)})" if near else ""
            raise UnknownTF(
                f"TF {tf!r} has no experiment in the experiment table{hint}",
                "add one there, or pass --skip-unlisted to leave such rows out",
            )
        pair = self._pairs.get((tf, biosample), NO_PAIR)
        if pair != NO_PAIR:
            self._matched.add(tf)
            return LookUp(pair)
        if tf in self._listed:
            self._unlisted.append((tf, biosample))
        return LookUp(NO_PAIR, UNLISTED)

    def check(self, path: Path) -> None:
        """Stop where names of the file and of the tables do not match.

        Rows of biosamples that the tables do not list are skipped, but not all rows of a TF,
        nor those of a biosample that differs from a listed one by its spelling alone.
        """
        unlisted, matched = self._unlisted, self._matched
        self._unlisted, self._matched = [], set()
        if self._skip:
            return
        near_of: dict[str, list[str]] = {}
        tfs: dict[str, None] = {}
        for tf, biosample in unlisted:
            listed = self._listed[tf]
            if tf in matched and folded(biosample) not in map(folded, listed):
                continue
            tfs[tf] = None
            near_of[biosample] = near_names(biosample, listed) or near_of.get(biosample, [])
        if not tfs:
            return
        told = [
            repr(biosample) + (f" (near: {', '.join(near)})" if near else "")
            for biosample, near in list(near_of.items())[:_TOLD]
        ]
        more = f", and {len(near_of) - _TOLD:,} more" if len(near_of) > _TOLD else ""
        raise DataError(
            f"{path}: rows of {some_names(list(tfs))} are of biosamples that the experiment table "
            f"does not list for them: {', '.join(told)}{more}; spell them in one way, or pass "
            "--skip-unlisted to leave such rows out"
        )

    def profiled(self) -> Profiled:
        """Give what the tables say."""
        return self._profiled


class PublishedNames:
    """The names of publishers' files, whose sites tell which TF was profiled in which biosample.

    Parameters
    ----------
    biosamples
        What names of samples stand for.
    biosample_of_source
        The biosample of each DHS source, empty for one that is left out.
    keep_treated
        Whether treated samples count for their biosample; otherwise their rows are left out.
    pairs
        TFs and biosamples that were profiled, where a table says so; None takes those of the sites.
    """

    def __init__(
        self,
        biosamples: Biosamples,
        biosample_of_source: Mapping[int, str],
        *,
        keep_treated: bool,
        pairs: Sequence[tuple[str, str]] | None = None,
    ) -> None:
        self._biosamples = biosamples
        self._of_source = biosample_of_source
        self._accessible = set(biosample_of_source.values()) - {""}
        self._keep_treated = keep_treated
        self._is_open = pairs is None
        self._pairs = {pair: index for index, pair in enumerate(pairs or ())}
        self._tfs = {tf for tf, _ in self._pairs}

    def look_up(self, tf: str, biosample: str) -> LookUp:
        """Look a TF in a biosample up; a new one is a further pair while sites are read."""
        sample = self._biosamples.find(biosample)
        if sample is not None and sample.treatment and not self._keep_treated:
            return LookUp(NO_PAIR, TREATED)
        if not self._is_open and tf not in self._tfs:
            return LookUp(NO_PAIR, NO_SITES_OF_TF)
        if sample is None or sample.biosample not in self._accessible:
            return LookUp(NO_PAIR, UNMATCHED)
        pair = (tf, sample.biosample)
        if self._is_open:
            self._tfs.add(tf)
            return LookUp(self._pairs.setdefault(pair, len(self._pairs)))
        index = self._pairs.get(pair, NO_PAIR)
        return LookUp(index, "" if index != NO_PAIR else NO_SITES_OF_PAIR)

    def check(self, path: Path) -> None:
        """Stop where no row of a file is of a pair."""
        if not self._pairs:
            raise DataError(
                f"{path}: no site is of a biosample that has DHSs; say which names are the same by "
                "--biosamples (columns name and biosample)"
            )

    def profiled(self) -> Profiled:
        """Give what was profiled; no pair is added any more."""
        self._is_open = False
        tfs = sorted(self._tfs)
        names = sorted({biosample for _, biosample in self._pairs})
        return Profiled(
            tfs=tuple(tfs),
            biosamples=tuple(names),
            pair_tf=np.array([tfs.index(tf) for tf, _ in self._pairs], dtype=np.int32),
            pair_biosample=np.array([names.index(b) for _, b in self._pairs], dtype=np.int32),
            biosample_of_source={
                source: names.index(biosample) if biosample in names else -1
                for source, biosample in self._of_source.items()
            },
        )


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How the rows of a dataset's files are told apart by their names."""

    names: ListedNames | PublishedNames
    dhs_table: Path
    """The table that has every DHS source."""
    treated_sources: int
    """DHS sources that are left out since they were treated."""


def read_naming(sources: SourceFiles, rules: NameRules) -> Naming:
    """Read the tables, or what stands for them, that tell what the names of rows mean.

    Raises
    ------
    DataError
        If a table cannot be used, or both that could name the DHS sources are lacking.
    """
    if sources.experiments is not None and sources.samples is not None:
        profiled = read_profiled(sources.experiments, sources.samples)
        names = ListedNames(profiled, skip_unlisted=rules.skip_unlisted)
        return Naming(names=names, dhs_table=sources.samples, treated_sources=0)
    table = sources.samples or sources.dhs_sources
    if table is None:
        raise DataError(
            f"{sources.dhs}: its sources have numbers alone; give their names by --dhs-sources "
            "(UCSC's wgEncodeRegDnaseClusteredSources) or --samples"
        )
    biosamples = Biosamples(sources.biosamples)
    named = read_dhs_sources(table) if sources.samples is None else read_samples(table)
    samples = {source: biosamples.named(name) for source, name in named.items() if name}
    treated = [source for source, sample in samples.items() if sample.treatment]
    left_out = treated if rules.keep_treated is Treated.NONE else []
    pairs = None
    if sources.experiments is not None:
        listed = read_experiments(sources.experiments)
        pairs = sorted({(tf, biosamples.named(biotype).biosample) for _, tf, biotype in listed})
    return Naming(
        names=PublishedNames(
            biosamples,
            {
                source: samples[source].biosample
                if source in samples and source not in left_out
                else ""
                for source in named
            },
            keep_treated=rules.keep_treated is Treated.ALL,
            pairs=pairs,
        ),
        dhs_table=table,
        treated_sources=len(left_out),
    )


def some_names(names: Sequence[str]) -> str:
    """Give the first of some names, and say how many others there are."""
    more = f", and {counted(len(names) - _TOLD, 'more TF')}" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
