"""Small good files of every kind that a command reads, and the commands that read them."""

import gzip
import io
import pickle
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from Bio import bgzf

from data.motifs.database import jaspar_motifs
from data.release.matrices import _MEMBER
from data.simulation.config import DEFAULT_TFS, SimulationConfig
from data.simulation.simulate import simulate
from data.sources.build import build_dataset
from data.sources.tables import SourceFiles
from orchestrator.workspace import Workspace

TF: Final = "ELF1"
_BIOSAMPLE: Final = "simulated_1"
_REGIONS: Final = 1200
_LEFT: Final = ("--left-out", "out/left.tsv")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file, and a command that reads it.

    The command runs in a folder with its files in `in`, an empty folder `out`, and a workspace.
    """

    name: str
    file: str
    """Name of the file that is mutated."""
    words: tuple[str, ...]
    """The command."""
    inputs: Mapping[str, bytes]
    """Content of all files that it reads, by their names."""
    workspace: str = ""
    """Which workspace it runs on: `dataset`, `trained`, or none."""
    layout: str = "text"
    """`text`, `columns`, `places` (columns of which the first is a chromosome), `json`, `npz`,
    `pickle` or `bytes`."""
    has_own_name: bool = True
    """Whether the file may have any name."""


def make_kinds(folder: Path) -> tuple[Kind, ...]:
    """Make the good files, and workspaces in `folder`, once; give all kinds.

    Workspaces that are there already are taken as they are.
    """
    sources = simulate(folder / "sources", SimulationConfig(num_regions=_REGIONS), replace=True)
    for name in ("dataset", "trained"):
        if not (folder / name / "ready").exists():
            shutil.rmtree(folder / name, ignore_errors=True)
            _make_workspace(folder / name, sources, is_trained=name == "trained")
            (folder / name / "ready").touch()
    texts = _source_texts(sources)
    genome = {"genome.fa": texts["genome.fa"], "genome.fa.fai": texts["genome.fa.fai"]}
    return (
        *_build_kinds(texts, folder),
        *_own_tf_kinds(texts),
        *_motif_kinds(texts),
        *_query_kinds(texts, genome),
        *_relation_kinds(),
        *_release_kinds(),
        *_model_kinds(folder / "trained" / "exported"),
    )


def _make_workspace(place: Path, sources: SourceFiles, *, is_trained: bool) -> None:
    workspace = Workspace(place)
    build_dataset(sources, workspace.dataset)
    if not is_trained:
        return
    from experiments.study.study import Study
    from experiments.study.trainings import Trainings
    from experiments.transfer.plan import transfer
    from orchestrator.backends.local import run_plan
    from orchestrator.plan import Plan
    from orchestrator.prediction.model_folders import export_model
    from orchestrator.prediction.predictors import find_predictor
    from orchestrator.runs.loaded_dataset import load_dataset

    trainings = Trainings().with_epochs(multi=1, individual=1)
    study = Study(tfs=(TF,), pretrain_tfs=("GABPA", "SPI1"), trainings=trainings)
    planned = transfer(load_dataset(workspace), study)
    run_plan(Plan(planned.runs), workspace, on_done=lambda outcome: None)
    predictor = find_predictor(workspace, TF, "transfer")
    predictor.members()  # which calibrates them
    export_model(predictor, place / "exported", licence="CC-BY-4.0")


def _source_texts(sources: SourceFiles) -> dict[str, bytes]:
    """Unpacked content of the source files, by names without `.gz`."""
    contents = {path.name: path.read_bytes() for path in sources.all()}
    contents["genome.fa.fai"] = sources.genome.with_name("genome.fa.fai").read_bytes()
    return {
        name.removesuffix(".gz"): gzip.decompress(text) if name.endswith(".gz") else text
        for name, text in contents.items()
    }


def _build_kinds(texts: Mapping[str, bytes], folder: Path) -> list[Kind]:
    options = {
        "--dhs": "dhs.bed",
        "--peaks": "remap_peaks.bed",
        "--sites": "unibind_tfbs.bed",
        "--experiments": "experiments.tsv",
        "--samples": "samples.tsv",
        "--genome": "genome.fa",
    }
    words = ["data", "build", "--workspace", "ws", *_LEFT]
    for option, name in options.items():
        words += [option, f"in/{name}"]
    titles = {
        "dhs.bed": ("DHS clusters", "places"),
        "remap_peaks.bed": ("ReMap peaks", "places"),
        "unibind_tfbs.bed": ("UniBind sites", "places"),
        "experiments.tsv": ("experiment table", "columns"),
        "samples.tsv": ("sample table", "columns"),
        "genome.fa": ("genome", "text"),
        "genome.fa.fai": ("genome's index", "columns"),
    }
    kinds = [
        Kind(
            name=title,
            file=file,
            words=tuple(words),
            inputs=dict(texts),
            layout=layout,
            has_own_name=not file.startswith("genome"),
        )
        for file, (title, layout) in titles.items()
    ]
    packed = _bgzf(texts["genome.fa"], folder / "packed.fa.gz")
    others = {name: text for name, text in texts.items() if not name.startswith("genome")}
    others |= {"genome.fa.gz": packed, "genome.fa.gz.fai": texts["genome.fa.fai"]}
    to_packed = tuple(word.replace("genome.fa", "genome.fa.gz") for word in words)
    kinds.append(
        Kind(
            name="genome, BGZF",
            file="genome.fa.gz",
            words=to_packed,
            inputs=others,
            layout="bytes",
            has_own_name=False,
        )
    )
    return kinds


def _bgzf(text: bytes, path: Path) -> bytes:
    with bgzf.BgzfWriter(str(path), "wb") as file:
        file.write(text)
    return path.read_bytes()


def _peak_texts(own: Sequence[Sequence[str]]) -> tuple[str, str, str]:
    """Write some rows of ReMap's as narrowPeak, MACS xls and BED of three columns."""
    narrow = "".join(
        f"{r[0]}\t{r[1]}\t{r[2]}\tpeak{i}\t{r[4]}\t.\t7.5\t5.1\t3.2\t{int(r[6]) - int(r[1])}\n"
        for i, r in enumerate(own)
    )
    xls = (
        "# This file is generated by MACS version 2.2.7.1\n\nchr\tstart\tend\tlength\tabs_summit"
        "\tpileup\t-log10(pvalue)\tfold_enrichment\t-log10(qvalue)\tname\n"
    ) + "".join(
        f"{r[0]}\t{int(r[1]) + 1}\t{r[2]}\t{int(r[2]) - int(r[1])}\t{int(r[6]) + 1}"
        f"\t9.0\t6.1\t4.4\t3.2\tpeak_{i}\n"
        for i, r in enumerate(own)
    )
    return narrow, xls, "".join(f"{row[0]}\t{row[1]}\t{row[2]}\n" for row in own)


def _own_tf_kinds(texts: Mapping[str, bytes]) -> list[Kind]:
    remap = [line.split("\t") for line in texts["remap_peaks.bed"].decode().splitlines()]
    own = [row for row in remap if row[3].endswith(f".{TF}.{_BIOSAMPLE}")]
    narrow, xls, bed = _peak_texts(own)
    remap_own = "".join("\t".join(row) + "\n" for row in own)
    rows = [line.split("\t") for line in texts["unibind_tfbs.bed"].decode().splitlines()]
    sites = "".join("\t".join(row[:3]) + "\n" for row in rows if row[3].endswith(f".{TF}"))
    dhs = [line.split("\t") for line in texts["dhs.bed"].decode().splitlines()]
    accessible = "".join("\t".join(row[:3]) + "\n" for row in dhs[::2])
    words = (
        *("tf", "add", "LAB", "--label-only", "--workspace", "ws", *_LEFT),
        *("--genome", "in/genome.fa", "--sites", "in/sites.bed", "--force"),
    )
    genome = {name: texts[name] for name in ("genome.fa", "genome.fa.fai")}
    other_words = (
        *(*words, "--peaks", "in/peaks.bed", "--biosample", "another"),
        *("--accessible", "in/accessible.bed", "--extend-regions"),
    )

    def peaks(title: str, file: str, text: str) -> Kind:
        return Kind(
            name=title,
            file=file,
            words=(*words, "--peaks", f"in/{file}", "--biosample", _BIOSAMPLE),
            inputs=genome | {file: text.encode(), "sites.bed": sites.encode()},
            workspace="dataset",
            layout="places",
        )

    beside = {"peaks.bed": bed.encode(), "sites.bed": sites.encode()}
    return [
        peaks("narrowPeak", "own.narrowPeak", narrow),
        peaks("MACS xls", "own_peaks.xls", xls),
        peaks("BED peaks", "own.bed", bed),
        peaks("ReMap peaks of a TF", "own_remap.bed", remap_own),
        Kind(
            name="sites",
            file="sites.bed",
            words=(*words, "--peaks", "in/peaks.bed", "--biosample", _BIOSAMPLE),
            inputs=genome | beside,
            workspace="dataset",
            layout="places",
        ),
        Kind(
            name="accessible peaks",
            file="accessible.bed",
            words=other_words,
            inputs=genome | beside | {"accessible.bed": accessible.encode()},
            workspace="dataset",
            layout="places",
        ),
    ]


def _motif_kinds(texts: Mapping[str, bytes]) -> list[Kind]:
    remap = [line.split("\t") for line in texts["remap_peaks.bed"].decode().splitlines()]
    bed = "".join(
        f"{row[0]}\t{row[1]}\t{row[2]}\n" for row in remap if row[3].endswith(f".{TF}.{_BIOSAMPLE}")
    )
    inputs = {name: texts[name] for name in ("genome.fa", "genome.fa.fai")}
    inputs["peaks.bed"] = bed.encode()
    words = (
        *("tf", "add", "LAB", "--label-only", "--workspace", "ws", "--genome", "in/genome.fa"),
        *("--peaks", "in/peaks.bed", "--biosample", _BIOSAMPLE, "--force"),
    )
    return [
        Kind(
            name=f"motif, {title}",
            file=file,
            words=(*words, "--motif", f"in/{file}"),
            inputs=inputs | {file: text.encode()},
            workspace="dataset",
        )
        for title, file, text in _motif_texts()
    ]


def _motif_texts() -> list[tuple[str, str, str]]:
    """Title, file name and text of the TF's motif in each format."""
    probabilities = jaspar_motifs()[TF][0].probabilities
    counts = np.rint(probabilities * 100).astype(int)

    def by_position(values: np.ndarray, lead: str = "") -> str:
        lines = ("\t".join(f"{value:.4g}" for value in column) for column in values.T)
        return "".join(f"{lead.format(i)}{line}\n" for i, line in enumerate(lines, start=1))

    def by_base(mark: str) -> str:
        rows = zip("ACGT", counts, strict=True)
        return "".join(mark.format(base, " ".join(map(str, row))) + "\n" for base, row in rows)

    width = probabilities.shape[1]
    meme = (
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\nBackground letter frequencies\n"
        f"A 0.25 C 0.25 G 0.25 T 0.25\n\nMOTIF MA0473.3 {TF}\n"
        f"letter-probability matrix: alength= 4 w= {width} nsites= 100 E= 0\n"
    )
    return [
        ("MEME", "motif.meme", meme + by_position(probabilities)),
        ("JASPAR", "motif.jaspar", f">MA0473.3\t{TF}\n" + by_base("{}  [ {} ]")),
        ("PFM", "motif.pfm", f">MA0473.3 {TF}\n" + by_base("{1}")),
        (
            "TRANSFAC",
            "motif.transfac",
            f"AC M001\nXX\nID {TF}\nXX\nP0\tA\tC\tG\tT\n"
            + by_position(counts, "{:02d}\t")
            + "//\n",
        ),
        ("HOMER", "motif.homer", f">AACCGGAAGT\t{TF}\t6.2\n" + by_position(probabilities)),
        ("HOCOMOCO", "motif.pcm", f">{TF}.H12CORE.0.P.B\n" + by_position(counts)),
        (
            "CIS-BP",
            "motif.txt",
            f"TF Name\t{TF}\nMotif\tM1\nPos\tA\tC\tG\tT\n" + by_position(probabilities, "{}\t"),
        ),
        ("UniPROBE", "motif.pwm", f"Protein: {TF}\n" + by_base("{}:\t{}")),
    ]


def _query_kinds(texts: Mapping[str, bytes], genome: Mapping[str, bytes]) -> list[Kind]:
    sequences = _sequences(texts["genome.fa"])
    rng = np.random.default_rng(0)
    places = [
        (chrom, int(start))
        for chrom, sequence in sequences.items()
        for start in np.sort(rng.integers(500, len(sequence) - 500, 15))
    ]
    bed = "".join(f"{chrom}\t{at}\t{at + 150}\tregion{i}\n" for i, (chrom, at) in enumerate(places))
    fasta = "".join(
        f">seq{i} {chrom}\n{sequences[chrom][at : at + 200]}\n"
        for i, (chrom, at) in enumerate(places)
    )
    vcf = (
        "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    )
    for i, (chrom, at) in enumerate(places):
        ref = sequences[chrom][at : at + 1 + i % 3].upper()
        alt = "ACGT"["ACGT".find(ref[0]) - 1] + "T" * (i % 2)
        vcf += f"{chrom}\t{at + 1}\trs{i}\t{ref}\t{alt}\t50\tPASS\tAF=0.1\n"
    predict = ("predict", TF, "--workspace", "ws")
    to_genome = ("--genome", "in/genome.fa")

    def kind(title: str, file: str, text: str, words: Sequence[str], layout: str) -> Kind:
        return Kind(
            name=title,
            file=file,
            words=tuple(words),
            inputs=dict(genome) | {file: text.encode()},
            workspace="trained",
            layout=layout,
        )

    of_regions = (*predict, "--bed", "in/regions.bed", *to_genome, *_LEFT)
    of_variants = ("variants", TF, "--vcf", "in/own.vcf", *to_genome, "--workspace", "ws", *_LEFT)
    return [
        kind("BED to predict", "regions.bed", bed, (*of_regions, "--out", "out/p.tsv"), "places"),
        kind(
            "BED to tile",
            "regions.bed",
            bed,
            (*of_regions, "--stride", "50", "--out", "out/p.bw"),
            "places",
        ),
        kind(
            "FASTA to predict",
            "own.fa",
            fasta,
            (*predict, "--fasta", "in/own.fa", "--out", "out/p.csv.gz", *_LEFT),
            "text",
        ),
        kind("VCF", "own.vcf", vcf, (*of_variants, "--out", "out/v.tsv"), "places"),
        kind(
            "BED to explain",
            "regions.bed",
            _some_regions(texts),
            ("explain", TF, "--bed", "in/regions.bed", "--workspace", "ws", *_LEFT),
            "places",
        ),
    ]


def _some_regions(texts: Mapping[str, bytes]) -> str:
    rows = [line.split("\t") for line in texts["dhs.bed"].decode().splitlines()]
    return "".join("\t".join(row[:3]) + "\n" for row in rows[::600])


def _sequences(fasta: bytes) -> dict[str, str]:
    records = fasta.decode().split(">")[1:]
    parts = (record.partition("\n") for record in records)
    return {name: text.replace("\n", "") for name, _, text in parts}


def _relation_kinds() -> list[Kind]:
    tfs = [tf.name for tf in DEFAULT_TFS]
    pairs = [(a, b, 200 + 97 * i % 800) for i, (a, b) in enumerate(zip(tfs, tfs[3:], strict=False))]
    web = "#node1\tnode2\tnode1_string_id\tnode2_string_id\tcombined_score\n" + "".join(
        f"{a}\t{b}\t9606.{a}\t9606.{b}\t{score / 1000}\n" for a, b, score in pairs
    )
    links = "protein1 protein2 combined_score\n" + "".join(
        f"9606.{a} 9606.{b} {score}\n" for a, b, score in pairs
    )
    info = "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n" + "".join(
        f"9606.{tf}\t{tf}\t{300 + i}\tTranscription factor\n" for i, tf in enumerate(tfs)
    )
    modes = "tf\tmode\n" + "".join(f"{tf}\tmode{i % 4}\n" for i, tf in enumerate(tfs))
    words = ("tf", "groups", "--min-bound", "10", "--workspace", "ws")
    both = ("--string", "in/links.txt", "--string-info", "in/info.tsv")
    contents = {"links.txt": links.encode(), "info.tsv": info.encode()}

    def kind(title: str, file: str, inputs: Mapping[str, bytes], *options: str) -> Kind:
        return Kind(
            name=title,
            file=file,
            words=(*words, *options),
            inputs=inputs,
            workspace="dataset",
            layout="columns",
        )

    listed = "".join(f"{a}\t{b}\n" for a, b, _ in pairs).encode()
    return [
        kind("STRING web export", "web.tsv", {"web.tsv": web.encode()}, "--string", "in/web.tsv"),
        kind("STRING links", "links.txt", contents, *both),
        kind("STRING info", "info.tsv", contents, *both),
        kind("list of partners", "list.tsv", {"list.tsv": listed}, "--string", "in/list.tsv"),
        kind("binding modes", "own.tsv", {"own.tsv": modes.encode()}, "--modes", "in/own.tsv"),
    ]


def _release_kinds() -> list[Kind]:
    """A release of the paper's authors: two samples, one TF's own arrays, 40 regions."""
    rng = np.random.default_rng(0)
    num, tfs, samples = 40, {"AAA": 0, "BBB": 1, "CCC": 2}, {"liver": 0, "T cell": 1}
    fasta = "".join(
        f">{i}::chr1:{1000 * i}-{1000 * i + 200}\n{''.join(rng.choice(list('ACGT'), 200))}\n"
        for i in range(num)
    )
    sparse = rng.choice([0.0, 1.0, np.nan], (2, num))
    less_sparse = np.where(np.isnan(sparse) & (rng.random((2, num)) < 0.5), 0.0, sparse)
    array = "matrix2d.AAA.ReMap+UniBind.{}.npz"
    contents = {
        "sequences.200bp.chr1.fa.gz": gzip.compress(fasta.encode(), mtime=0),
        "tfs_idx.pickle.gz": gzip.compress(pickle.dumps(tfs, protocol=3), mtime=0),
        "samples_idx.pickle.gz": gzip.compress(pickle.dumps(samples, protocol=3), mtime=0),
        array.format("sparse"): npz(npy(sparse)),
        array.format("less-sparse"): npz(npy(less_sparse)),
    }
    titles = {
        "sequences.200bp.chr1.fa.gz": ("release, FASTA", "text"),
        "tfs_idx.pickle.gz": ("release, pickle", "pickle"),
        array.format("sparse"): ("release, array", "npz"),
    }
    return [
        Kind(
            name=title,
            file=file,
            words=("data", "import", "in", "--workspace", "ws"),
            inputs=contents,
            layout=layout,
            has_own_name=False,
        )
        for file, (title, layout) in titles.items()
    ]


def npy(array: np.ndarray) -> bytes:
    """Give an array as the bytes of a `.npy` file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(array: bytes, name: str = _MEMBER) -> bytes:
    """Give an archive with one array; no time stands in it."""
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), array, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _model_kinds(exported: Path) -> list[Kind]:
    contents = {
        str(path.relative_to(exported)): path.read_bytes()
        for path in sorted(exported.rglob("*"))
        if path.is_file()
    }
    first = "replicate-1"
    titles = {
        "model.json": ("model, card", "json"),
        f"{first}/network.json": ("model, network", "json"),
        f"{first}/weights.safetensors": ("model, weights", "bytes"),
    }
    return [
        Kind(
            name=title,
            file=file,
            words=("import-model", "in", "--name", "M", "--workspace", "ws"),
            inputs=contents,
            layout=layout,
            has_own_name=False,
        )
        for file, (title, layout) in titles.items()
    ]
