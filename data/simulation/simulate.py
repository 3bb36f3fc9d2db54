"""Simulated source files: a small genome with real motifs, in the formats of the real data.

:func:`simulate` writes a genome, DHSs, peaks, sites and the two tables, such that
`bindgrid data build` runs on them as it runs on real files. The files are a pure function of the
configuration, bit by bit.

What is modelled

- *Sequence*: bases drawn independently at a local GC content; promoter-like regions are rich in
  GC, the others and the space between regions are not. Neighbouring regions overlap now and then,
  a few regions hold an N, part of the genome is soft-masked.
- *Motifs*: instances of JASPAR motifs planted in regions, nearer to promoters for some TFs than
  for others, so that binding goes with GC; TFs of one binding mode read each other's instances;
  cofactors put theirs into the same regions.
- *Binding*: a TF binds where the best hit of its motif anywhere in the region, planted or not,
  scores highest, up to a noise in bits; some regions with a hit stay unbound (decoys).
- *Biosamples*: about half of the regions are open in several biosamples, the others in one; a TF is
  profiled in some biosamples; a bound region shows in most of the biosamples in which it is open.
- *Evidence*: peaks without a site, sites without a peak, peaks anywhere in the genome, a second
  experiment for some TF-biosample pairs, rows given twice, a DHS sample without ChIP-seq.

What is not modelled: nucleosomes, methylation, binding without a motif, motif syntax and spacing,
repeats, depletion of CpG, peak strength (scores are random), and sequence that decides in which
biosample a region is open. The numbers that a model reaches here say nothing about real data.
"""

import gzip
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.atomic import whole_file
from data.errors import DataError
from data.motifs.database import jaspar_motifs
from data.schema import REGION_WIDTH_BP
from data.simulation.config import DEFAULT_TFS, SimulatedTF, SimulationConfig
from data.simulation.world import Binding, World, bind, lay_out, open_biosamples, plant
from data.sources.tables import SourceFiles

__all__ = ["DEFAULT_TFS", "FILE_NAMES", "SimulatedTF", "SimulationConfig", "simulate"]

FILE_NAMES: Final = {
    "dhs": "dhs.bed.gz",
    "peaks": "remap_peaks.bed.gz",
    "sites": "unibind_tfbs.bed.gz",
    "experiments": "experiments.tsv",
    "samples": "samples.tsv",
    "genome": "genome.fa",
}
"""File of each source, by the field of :class:`data.sources.tables.SourceFiles` that names it."""

_FASTA_LINE_BP: Final = 60
_UNPROFILED_SOURCE: Final = 99
_FLANK_BP: Final = (60, 200)
"""How far a peak reaches on either side of its summit."""
_SUMMIT_SD_BP: Final = 8
"""Spread of a summit around its site."""
_LETTERS: Final = np.frombuffer(b"ACGT", dtype=np.uint8)
_TO_LOWER: Final = ord("a") - ord("A")

_Row = tuple[int, int, int, str]
"""Index of the chromosome, start, end, and the further columns: sorts as a BED file does."""


def simulate(
    directory: Path, config: SimulationConfig | None = None, *, replace: bool = False
) -> SourceFiles:
    """Simulate and write the source files.

    Parameters
    ----------
    directory
        Where the files go; made if it is missing.
    replace
        Write into a folder that holds files already, over those of the same names.

    Returns
    -------
    The paths of the files, ready for `build_dataset`.

    Raises
    ------
    DataError
        If the folder is not empty and `replace` is not set, or a TF is to bind more regions
        than are open where it was profiled.
    """
    config = config or SimulationConfig()
    directory = Path(directory)
    _check_place(directory, replace)
    layout_rng, plant_rng, open_rng, bind_rng, row_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(config.seed).spawn(5)
    )
    motifs = [jaspar_motifs()[tf.name][0] for tf in config.tfs]
    world = lay_out(config, layout_rng)
    is_open = open_biosamples(config, open_rng)
    plant(world, motifs, is_open, config, plant_rng)
    bindings = [
        bind(world, motif, tf, is_open, config, bind_rng)
        for motif, tf in zip(motifs, config.tfs, strict=True)
    ]

    experiments = _experiments(config)
    peaks, sites = _peaks_and_sites(world, bindings, experiments, config, row_rng)
    dhs = _dhs(world, is_open, row_rng)
    genome, index = _fasta(world, config.chromosomes)
    contents = {FILE_NAMES["genome"]: genome, FILE_NAMES["genome"] + ".fai": index}
    for source, rows in (("dhs", dhs), ("peaks", peaks), ("sites", sites)):
        repeated = row_rng.choice(len(rows), min(config.num_duplicates, len(rows)), replace=False)
        rows += [rows[i] for i in repeated]
        contents[FILE_NAMES[source]] = _bed(rows, config.chromosomes)
    contents[FILE_NAMES["experiments"]] = _experiment_table(experiments)
    contents[FILE_NAMES["samples"]] = _sample_table(config)
    _write(directory, contents)
    paths: dict[str, Any] = {source: directory / name for source, name in FILE_NAMES.items()}
    return SourceFiles(**paths)


_Experiments = dict[tuple[str, int], list[str]]
"""ChIP-seq experiments of a TF in a biosample."""


def _experiments(config: SimulationConfig) -> _Experiments:
    """One experiment per TF and biosample, two for every seventh pair."""
    experiments: _Experiments = {}
    number = 0
    for i, pair in enumerate(sorted((tf.name, j) for tf in config.tfs for j in tf.biosamples)):
        for _ in range(2 if i % 7 == 0 else 1):
            number += 1
            experiments.setdefault(pair, []).append(f"SIM{number:04d}")
    return experiments


def _biotype(sample: int) -> str:
    return f"simulated_{sample + 1}"


def _source_id(sample: int) -> int:
    """Number of a DHS sample; with holes, as the real ones, and never the unprofiled one's."""
    number = 7 + 3 * sample
    return number + (number >= _UNPROFILED_SOURCE)


def _experiment_table(experiments: _Experiments) -> bytes:
    rows = ["experiment\ttf\tbiotype"]
    for (tf, sample), names in experiments.items():
        rows += [f"{name}\t{tf}\t{_biotype(sample)}" for name in names]
    return ("\n".join(rows) + "\n").encode()


def _sample_table(config: SimulationConfig) -> bytes:
    rows = ["source_id\tdhs_sample\tbiotype"]
    for sample in range(config.num_biosamples):
        # the two names differ where real ones do: blanks
        rows.append(f"{_source_id(sample)}\tsimulated {sample + 1}\t{_biotype(sample)}")
    rows.append(f"{_UNPROFILED_SOURCE}\tunmatched\t")
    return ("\n".join(rows) + "\n").encode()


def _dhs(world: World, is_open: NDArray[np.bool_], rng: np.random.Generator) -> list[_Row]:
    """DHSs of various widths around the centres of the regions."""
    num, num_samples = len(is_open), is_open.shape[1]
    sources = [_source_id(i) for i in range(num_samples - 1)] + [_UNPROFILED_SOURCE]
    # multiples of 20 bp, so that the centre is a whole base
    half_widths: list[int] = (10 * rng.integers(6, 21, size=num)).tolist()
    scores: list[int] = rng.integers(100, 1001, size=num).tolist()
    rows: list[_Row] = []
    chroms, locals_ = world.locate(world.starts + REGION_WIDTH_BP // 2)
    for i, (chrom, centre) in enumerate(zip(chroms.tolist(), locals_.tolist(), strict=True)):
        found = [source for source, here in zip(sources, is_open[i], strict=True) if here]
        text = f"{len(found)}\t{scores[i]}\t{len(found)}\t{','.join(map(str, found))},"
        rows.append((chrom, centre - half_widths[i], centre + half_widths[i], text))
    return rows


def _peaks_and_sites(
    world: World,
    bindings: list[Binding],
    experiments: _Experiments,
    config: SimulationConfig,
    rng: np.random.Generator,
) -> tuple[list[_Row], list[_Row]]:
    """Rows of both files: a peak and a site at the best hit of each region that shows them."""
    peaks: list[_Row] = []
    sites: list[_Row] = []
    for binding in bindings:
        tf, length = binding.tf.name, binding.motif.length_bp
        for sample in binding.tf.biosamples:
            names = experiments[tf, sample]
            regions = np.flatnonzero(binding.has_site[:, sample])
            chroms, starts = world.locate(world.starts[regions] + binding.hits.start[regions])
            strands = np.where(binding.hits.reverse[regions], "-", "+")
            for chrom, start, strand, name in zip(
                chroms.tolist(),
                starts.tolist(),
                strands,
                rng.choice(names, len(regions)),
                strict=True,
            ):
                text = f"{name}.{_biotype(sample)}.{tf}\t0\t{strand}"
                sites.append((chrom, start, start + length, text))

            regions = np.flatnonzero(binding.has_peak[:, sample])
            offsets = binding.hits.start[regions] + length // 2
            offsets = offsets + rng.normal(0, _SUMMIT_SD_BP, len(regions)).round().astype(np.int64)
            summits = world.starts[regions] + np.clip(offsets, 0, REGION_WIDTH_BP - 1)
            num_stray = round(config.stray_fraction * len(regions))
            strays = rng.integers(0, len(world.genome), num_stray)
            labels = [f"{name}.{tf}.{_biotype(sample)}" for name in names]
            peaks += _peaks(world, np.concatenate([summits, strays]), labels, rng)
    return peaks, sites


def _peaks(
    world: World, summits: NDArray[np.int64], labels: list[str], rng: np.random.Generator
) -> list[_Row]:
    """Peaks around summits, cut off at the ends of their chromosomes."""
    chroms, at = world.locate(summits)
    lengths = np.diff(world.chrom_starts)[chroms]
    flanks = rng.integers(*_FLANK_BP, (2, len(summits)))
    starts, ends = np.maximum(at - flanks[0], 0), np.minimum(at + flanks[1], lengths)
    columns = (chroms, starts, ends, at, rng.integers(1, 1001, len(summits)))
    chosen = rng.choice(labels, len(summits))
    return [
        (chrom, start, end, f"{label}\t{score}\t.\t{summit}\t{summit + 1}\t0,0,0")
        for chrom, start, end, summit, score, label in zip(
            *(column.tolist() for column in columns), chosen, strict=True
        )
    ]


def _bed(rows: list[_Row], chromosomes: tuple[str, ...]) -> bytes:
    """Sorted, gzipped; no time and no file name go into the header, so that bytes repeat."""
    lines = [f"{chromosomes[row[0]]}\t{row[1]}\t{row[2]}\t{row[3]}\n" for row in sorted(rows)]
    buffer = BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as file:
        file.write("".join(lines).encode())
    return buffer.getvalue()


def _fasta(world: World, chromosomes: tuple[str, ...]) -> tuple[bytes, bytes]:
    """The genome and its index, as `samtools faidx` writes it."""
    letters = _LETTERS[world.genome]
    letters[world.unknown] = ord("N")
    letters[world.is_lower] += _TO_LOWER
    fasta, index, offset = [], [], 0
    for i, name in enumerate(chromosomes):
        bases = letters[world.chrom_starts[i] : world.chrom_starts[i + 1]]
        header = f">{name}\n".encode()
        num_lines = -(-len(bases) // _FASTA_LINE_BP)
        lines = np.full((num_lines, _FASTA_LINE_BP + 1), ord("\n"), dtype=np.uint8)
        padded = np.zeros(num_lines * _FASTA_LINE_BP, dtype=np.uint8)
        padded[: len(bases)] = bases
        lines[:, :_FASTA_LINE_BP] = padded.reshape(num_lines, _FASTA_LINE_BP)
        fasta += [header, lines.tobytes().replace(b"\0", b"")]
        offset += len(header)
        line = f"{name}\t{len(bases)}\t{offset}\t{_FASTA_LINE_BP}\t{_FASTA_LINE_BP + 1}\n"
        index.append(line.encode())
        offset += len(fasta[-1])
    return b"".join(fasta), b"".join(index)


def _check_place(directory: Path, replace: bool) -> None:
    if directory.exists() and not directory.is_dir():
        raise DataError(f"{directory}: is a file; name a folder to write to")
    if directory.is_dir() and any(directory.iterdir()) and not replace:
        raise DataError(f"{directory}: is not empty; name another folder, or pass --replace")


def _write(directory: Path, contents: dict[str, bytes]) -> None:
    """Write all files beside their place, then move them in."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name, content in contents.items():
            stack.enter_context(whole_file(directory / name)).write_bytes(content)
