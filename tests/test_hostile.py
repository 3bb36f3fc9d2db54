"""What comes from others runs no code, stays in its folder, shows no script; passwords stay hidden.

Pickles of the authors' release are in `tests/data/release/test_authors.py`.
"""

import csv
import inspect
import io
import json
import os
import pickle
import shutil
import tarfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset.evidence_file import evidence_path
from data.sources.archives import bed_names
from experiments.report import make_report
from orchestrator.prediction.base_card import BaseReplicate
from orchestrator.prediction.model_folders import import_model
from orchestrator.report.files import write_report
from orchestrator.report.weighted_scores import SCORES
from orchestrator.tracking import ui
from orchestrator.tracking.client import without_password
from orchestrator.verdict.arms import SCRATCH, TRANSFER
from orchestrator.verdict.card import write_card
from orchestrator.verdict.rule import conclude
from orchestrator.verdict.verdict import Verdict
from orchestrator.workspace import Workspace, file_name
from tests.conftest import Bindgrid
from tests.helpers.finished_runs import Study
from tests.orchestrator.verdict.test_rule import numbers, value

LEADING_ELSEWHERE = ("../../x", "..", ".", "...", "/etc/x", "a/b", "~/x", "x\0y", "C:\\x")
SCRIPTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "--><script>alert(1)</script><!--",
    "]]></style></svg><script>alert(1)</script>",
    "javascript:alert(1)",
)


class MarkWhenLoaded:
    """Pickled, this makes a file once it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


# models of others


@pytest.fixture
def shared(bindgrid: Bindgrid, trained: Workspace, tmp_path: Path) -> Path:
    """A folder that `bindgrid export` wrote, in a folder of its own."""
    folder = tmp_path / "given" / "model"
    folder.parent.mkdir()
    code, _, err = bindgrid("export", "SPI1", folder, "-w", trained.root)
    assert code == 0, err
    return folder


def changed_record(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(bindgrid: Bindgrid, folder: Path, workspace: Path, *options: str) -> str:
    """Import a model that must be refused; gives the one line."""
    code, _, err = bindgrid("import-model", folder, *options, "-w", workspace)
    assert (code, "Traceback" in err) == (2, False), err
    assert not files_below(workspace)
    return " ".join(err.split())


@pytest.mark.parametrize("place", ["../secret", "/etc", "..", ".", "", "a/../../secret"])
def test_a_record_that_names_a_folder_elsewhere_is_refused(
    bindgrid: Bindgrid, shared: Path, tmp_path: Path, place: str
) -> None:
    shutil.copytree(shared / "replicate-1", shared.parent / "secret")
    record = json.loads((shared / "model.json").read_text())
    changed_record(shared, replicates=[{**record["replicates"][0], "folder": place}])
    told = refused(bindgrid, shared, tmp_path / "mine")
    assert "the name of a folder beside the file is needed" in told
    with pytest.raises(ValueError, match="the name of a folder"):
        BaseReplicate(folder=place, key="", seed=0, sha256="", num_epochs=0, seconds=0.0)


def test_a_model_without_replicates_or_a_name_is_refused(
    bindgrid: Bindgrid, shared: Path, tmp_path: Path
) -> None:
    record = json.loads((shared / "model.json").read_text())
    changed_record(shared, name="")
    assert "give it one by --name" in refused(bindgrid, shared, tmp_path / "mine")
    changed_record(shared, name=record["name"], replicates=[])
    assert "there are no replicates" in refused(bindgrid, shared, tmp_path / "mine")


@pytest.mark.parametrize("file", ["weights.safetensors", "network.json"])
def test_a_pickle_in_place_of_a_models_file_is_not_run(
    bindgrid: Bindgrid, shared: Path, tmp_path: Path, file: str
) -> None:
    mark = tmp_path / "was-run"
    hostile = pickle.dumps(MarkWhenLoaded(mark))
    pickle.loads(hostile)
    assert mark.exists(), "the example is none"
    mark.unlink()
    (shared / "replicate-1" / file).write_bytes(hostile)
    assert file in refused(bindgrid, shared, tmp_path / "mine")
    assert not mark.exists()


def test_a_network_of_absurd_size_is_refused_before_any_memory_is_taken(
    bindgrid: Bindgrid, shared: Path, tmp_path: Path
) -> None:
    path = shared / "replicate-1" / "network.json"
    config = json.loads(path.read_text())
    for units, words in ((10**9, "by network.json it should be"), (10**18, "has such sizes")):
        path.write_text(json.dumps({**config, "dense_units": [units, units]}))
        assert words in refused(bindgrid, shared, tmp_path / "mine")


def test_only_files_of_a_model_are_imported_and_no_link_out_of_its_folder(
    bindgrid: Bindgrid, shared: Path, tmp_path: Path
) -> None:
    for name in ("sitecustomize.py", "replicate-1/evil.pth", ".bashrc"):
        (shared / name).write_text("raise SystemExit")
    (shared / "replicate-1" / "network.json").rename(shared / "network")
    (shared / "replicate-1" / "network.json").symlink_to("../network")
    imported = import_model(Workspace(tmp_path / "mine"), shared, "OURS")
    names = {path.name for path in files_below(tmp_path / "mine")}
    assert names <= {
        *("model.json", "README.md", "weights.safetensors", "network.json"),
        *("filters.meme", "filters.json"),
    }
    assert not any(path.is_symlink() for path in files_below(tmp_path / "mine"))
    assert imported.members()

    secret = tmp_path / "id_rsa"
    secret.write_text("my private key")
    (shared / "README.md").unlink()
    (shared / "README.md").symlink_to(secret)
    told = refused(bindgrid, shared, tmp_path / "other")
    assert "a link out of the model's folder" in told


@pytest.mark.parametrize("name", LEADING_ELSEWHERE)
def test_a_models_name_leads_nowhere_else(shared: Path, tmp_path: Path, name: str) -> None:
    mine = Workspace(tmp_path / "mine" / "workspace")
    import_model(mine, shared, name)
    [place] = mine.models.iterdir()
    assert (place / "model.json").is_file()
    assert mine.model(name) == place
    assert all(path.is_relative_to(place) for path in files_below(tmp_path / "mine"))


# names that become files


@pytest.mark.parametrize("name", LEADING_ELSEWHERE)
def test_files_named_by_a_tf_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    place = Workspace(tmp_path)
    for path, folder in (
        (evidence_path(tmp_path, name), tmp_path / "evidence"),
        (place.model(name), place.models),
        (place.calibration("ab", name), tmp_path / "calibration"),
        (place.tuned(name, "ab"), tmp_path / "tuning"),
        (tmp_path / f"{file_name(name)}.bw", tmp_path),
    ):
        assert Path(path.resolve()).parent == folder
        assert "\0" not in str(path)


def test_plain_names_stay_as_they_are() -> None:
    for name in ("SPI1", "NKX2-5", "GATA1.1", "SPI1_K562"):
        assert file_name(name) == name


# archives


def archive_of(path: Path, members: list[tuple[str, bytes, str]]) -> Path:
    """Write a tar archive of members: their name, their type, and what they link to."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            content = b"chr1\t10\t20\n" if kind == tarfile.REGTYPE else b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_an_archive_writes_nothing_and_its_links_are_not_followed(tmp_path: Path) -> None:
    bed = "ENCSR000.K562.SPI1.MA0080.4.damo.bed"
    secret = tmp_path / bed
    secret.write_text("chr9\t1\t2\n")
    members = [
        (f"../../{bed}", tarfile.REGTYPE, ""),
        (f"/tmp/{bed}", tarfile.REGTYPE, ""),
        (f"a/{bed}", tarfile.SYMTYPE, str(secret)),
        (f"b/{bed}", tarfile.LNKTYPE, str(secret)),
        (f"c/{bed}", tarfile.FIFOTYPE, ""),
        (f"d/{bed}", tarfile.CHRTYPE, ""),
    ]
    path = archive_of(tmp_path / "sites.tar.gz", members)
    before = files_below(tmp_path)
    assert len(list(bed_names(path))) == 2
    assert files_below(tmp_path) == before
    assert secret.read_text() == "chr9\t1\t2\n"


# what a browser shows


class Dangers(HTMLParser):
    """What of a page would run: script elements beside the page's own, handlers, script links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base", "form", "foreignobject"):
            self.found.append(tag)
        for name, content in attrs:
            link = name in ("href", "src", "xlink:href", "action")
            if name.startswith("on") or (link and "script:" in (content or "").lower()):
                self.found.append(f"{name}={content}")


def test_dangers_would_be_found() -> None:
    page = "<a href=' javascript:x'>a</a><img src=x onerror=y><svg><script>z</script></svg>"
    assert len(Dangers(page).found) == 3


@pytest.fixture(scope="module")
def without_names(tmp_path_factory: pytest.TempPathFactory) -> Dangers:
    """What runs in a report of harmless names: the page's own script if it has any."""
    place = Workspace(tmp_path_factory.mktemp("harmless"))
    study = Study(place)
    for tf in ("A", "SPI1", "MAX"):
        study.add_pair(tf, 0.6, 0.8)
    return Dangers(write_report(make_report(place), place).read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_name_becomes_script_in_the_report_or_its_figures(
    tmp_path: Path, name: str, without_names: Dangers
) -> None:
    place = Workspace(tmp_path / name.replace("/", "|"))
    study = Study(place)
    for tf in (name, "SPI1", "MAX"):
        study.add_pair(tf, 0.6, 0.8)
    path = write_report(make_report(place), place)
    assert Dangers(path.read_text()).found == without_names.found
    figures = list(path.parent.rglob("*.svg"))
    assert figures
    for figure in figures:
        assert Dangers(figure.read_text()).found == [], figure


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_name_becomes_script_on_a_card(tmp_path: Path, name: str) -> None:
    scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
    arms = {TRANSFER: scores, SCRATCH: scores}
    found = numbers(tf=name, arms=arms, gains={SCRATCH: scores}, peaks=name)
    verdict = Verdict(numbers=found, conclusion=conclude(found), filters=None)
    page = write_card(verdict, Workspace(tmp_path)).page
    assert page.parent == tmp_path / "report" / "tf"
    assert Dangers(page.read_text()).found == []


# passwords and servers


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host:5000/a", "https://***@host:5000/a"),
        ("postgresql+psycopg2://me:sec@ret@host/db", "postgresql+psycopg2://***@host/db"),
        ("sqlite:////home/me@lab/mlflow.db", "sqlite:////home/me@lab/mlflow.db"),
        ("request to http://secret@host failed", "request to http://***@host failed"),
        ("http://host/a@b", "http://host/a@b"),
    ],
)
def test_a_password_in_a_uri_is_blotted_out(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


@pytest.mark.slow
def test_the_password_of_an_mlflow_is_neither_told_nor_stored(
    bindgrid: Bindgrid, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@127.0.0.1:1")
    run = ("run", "transfer", "--backend", "local", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA")
    short = ("--pretrain-epochs", "1", "--epochs", "1")
    for command in ((*run, *short), ("mlflow", "sync"), ("ui",)):
        _, out, err = bindgrid(*command, "-w", workspace.root)
        assert "***@127.0.0.1:1" in out + err
        assert "s3cret" not in out + err
    assert [path for path in files_below(workspace.root) if b"s3cret" in path.read_bytes()] == []


def test_a_server_listens_on_this_machine_alone_and_its_command_has_no_password(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inspect.signature(ui.serve_ui).parameters["host"].default == "127.0.0.1"
    started: list[tuple[list[str], dict[str, str]]] = []

    class Process:
        def __init__(self, command: list[str], *, env: dict[str, str], **_: Any) -> None:
            started.append((command, env))

    monkeypatch.setattr(ui.subprocess, "Popen", Process)
    monkeypatch.setattr(ui, "_wait", lambda *_: None)
    monkeypatch.setattr(ui, "_stop", lambda *_: None)
    uri = "postgresql://me:s3cret@host/db"
    with ui.mlflow_server(workspace, uri, "127.0.0.1", 5000):
        pass
    [(command, environment)] = started
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert not any("s3cret" in word for word in command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == uri


# genomes and variants of others

CHROMOSOMES = ("chr1", "../../x", *SCRIPTS[:2], "chr\x1b[31m2", "=cmd|calc", "a/b")


@pytest.fixture
def genome(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A FASTA whose chromosomes have the names that a reader would trip over."""
    folder = tmp_path / "given"
    folder.mkdir()
    bases = {
        name: "".join(np.random.default_rng(number).choice(list("ACGT"), 1200))
        for number, name in enumerate(CHROMOSOMES)
    }
    path = folder / "genome.fa"
    path.write_text("".join(f">{name.split()[0]}\n{text}\n" for name, text in bases.items()))
    return path, bases


def test_names_of_chromosomes_lead_nowhere_and_are_written_as_they_stand(
    bindgrid: Bindgrid, genome: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    path, bases = genome
    bed, out = path.with_name("regions.bed"), path.with_name("out.tsv")
    names = [name.split()[0] for name in bases]
    bed.write_text("".join(f"{name}\t500\t700\n" for name in names))
    before = files_below(tmp_path)
    code, _, err = bindgrid("predict", "SPI1", "--bed", bed, "--genome", path, "--out", out)
    assert code == 0, err
    with out.open(newline="") as file:
        assert [row[0] for row in csv.reader(file, delimiter="\t")][1:] == names
    assert files_below(tmp_path) - before == {out, path.with_name("genome.fa.fai")}
    assert "\x1b[31m" not in err


def test_fields_of_a_vcf_are_carried_over_and_never_obeyed(
    bindgrid: Bindgrid, genome: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    path, bases = genome
    vcf, out = path.with_name("given.vcf"), path.with_name("out.vcf")
    header = '##INFO=<ID=SPI1_effect,Number=1,Type=String,Description="<script>">'
    rows = [
        f"{name.split()[0]}\t601\t=1;<script>\t{text[600]}\t{'A' if text[600] != 'A' else 'C'}"
        '\t.\t.\tX=1;Y="\\";../../x'
        for name, text in bases.items()
    ]
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    vcf.write_text("\n".join(["##fileformat=VCFv4.2", header.replace("SPI1_", "OTHER_"), columns]))
    with vcf.open("a") as file:
        file.write("\n" + "\n".join(rows) + "\n")
    before = files_below(tmp_path)
    words = ["variants", "SPI1", "--vcf", vcf, "--genome", path, "--out", out, "--no-null"]
    code, _, err = bindgrid(*words)
    assert code == 0, err
    written = [line for line in out.read_text().splitlines() if not line.startswith("#")]
    assert len(written) == len(rows)
    for row, line in zip(rows, written, strict=True):
        assert line.startswith(row + ";SPI1_ref_probability=")
    assert files_below(tmp_path) - before == {out, path.with_name("genome.fa.fai")}


@pytest.mark.parametrize(
    "index",
    [
        "chr1\t1000000000000000\t6\t3000\t3001",
        "chr1\t1200\t-5\t1200\t1201",
        "chr1\t1200\t6\t0\t1",
        "chr1\t1200\t6\t1200\t99999999999999",
        "chr1\t99999999999999999999999\t6\t1200\t1201",
        "../../etc/passwd\t1200\t6\t1200\t1201",
    ],
)
def test_an_index_that_lies_takes_no_memory_and_reads_no_other_file(
    bindgrid: Bindgrid, genome: tuple[Path, dict[str, str]], index: str
) -> None:
    path, _ = genome
    bed, fai = path.with_name("regions.bed"), path.with_name("genome.fa.fai")
    bed.write_text("chr1\t500\t700\n")
    fai.write_text(index + "\n")
    newer = path.stat().st_mtime + 60
    os.utime(fai, (newer, newer))
    out = path.with_name("out.tsv")
    code, _, err = bindgrid("predict", "SPI1", "--bed", bed, "--genome", path, "--out", out)
    assert code == 2
    assert "index" in err.splitlines()[-1]
    assert not out.exists()
