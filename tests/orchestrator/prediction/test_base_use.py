"""Predictions by the base, without any workspace: commands, Python and MLflow's pyfunc."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import bindgrid as library
from data.errors import DataError
from data.packing import pack
from orchestrator.errors import RunError
from orchestrator.prediction.base import BASE_FILE, BASE_VARIABLE
from orchestrator.prediction.finding import find_model
from orchestrator.workspace import Workspace
from tests.helpers.tiny import MOTIF, random_bases
from tests.orchestrator.prediction.test_predict import codes_of


@pytest.fixture
def place(base, tmp_path, monkeypatch):
    """A folder with a genome, regions, sequences and variants, and no workspace."""
    text = random_bases(7)
    text = text[:294] + MOTIF + text[306:]
    (tmp_path / "g.fa").write_text(f">chr1\n{text}\n")
    (tmp_path / "r.bed").write_text(
        "chr1\t200\t400\twith\nchr1\t1000\t1200\twithout\nchr1\t2000\t2100\tthird\n"
    )
    (tmp_path / "s.fa").write_text(f">with\n{text[200:400]}\n>without\n{text[1000:1200]}\n")
    (tmp_path / "v.vcf").write_text(
        f"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\nchr1\t301\trs1\t{text[300]}\tT\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


REGIONS = ("--bed", "r.bed", "--genome", "g.fa")


def test_a_tf_of_the_base_is_predicted_without_a_workspace_by_any_of_its_names(place, bindgrid):
    code, out, err = bindgrid("predict", "SPI1", *REGIONS)
    assert code == 0, err
    assert "SPI1 (tiny-base, chr2 held out" in err
    assert len(out.splitlines()) == 4
    for named in ("PU.1", "spi1", "base:SPI1", "base:pu-1"):
        assert bindgrid("predict", named, *REGIONS)[1] == out, named
    assert bindgrid("predict", "SPI1", *REGIONS, "--arm", "base")[1] == out
    assert not (place / "workspace").exists()


def test_an_unknown_tf_is_told_with_near_names_of_the_base(place, bindgrid):
    for named in ("SPI2", "base:SPI2"):
        code, _, err = bindgrid("predict", named, *REGIONS)
        assert (code, "near: SPI1" in " ".join(err.split())) == (2, True), err
    code, _, err = bindgrid("predict", "SPI1,SPI2", *REGIONS)
    assert (code, "no TF 'SPI2'" in err) == (2, True), err
    code, _, err = bindgrid("predict", "SPI1", *REGIONS, "--arm", "scratch")
    assert (code, "no finished run" in err) == (2, True), err


def test_an_own_model_comes_before_the_base_and_is_told(trained, base, place, bindgrid):
    own = find_model(Workspace(trained.root), "SPI1")
    assert "by transfer" in own.source or "transfer" in own.source
    assert find_model(Workspace(trained.root), "PU.1").source == own.source
    assert find_model(Workspace(trained.root), "base:SPI1").source.startswith("tiny-base")
    # the workspace has GABPA in no run, and ELF1 in a multi-model alone
    for tf in ("GABPA", "ELF1"):
        assert find_model(Workspace(trained.root), tf).source.startswith("tiny-base")
    assert not find_model(Workspace(trained.root), "ELF1", "multi").source.startswith("tiny-base")
    code, out, err = bindgrid("models", "-w", trained.root)
    assert code == 0, err
    names = [line.split("│")[1].strip() for line in out.splitlines() if "│" in line]
    assert names == ["SPI1 --arm scratch", "SPI1", "ELF1", "GABPA", "base:SPI1"]


def test_all_tfs_at_once_are_those_of_each_alone(place, base, bindgrid):
    code, _, err = bindgrid("predict", "all", *REGIONS, "--out", "m.parquet")
    assert code == 0, err
    assert "3 TFs (tiny-base)" in err
    matrix = pd.read_parquet("m.parquet")
    assert list(matrix) == ["chrom", "start", "end", "name", *base.tfs]
    for tf in base.tfs:
        bindgrid("predict", tf, *REGIONS, "--out", "one.parquet")
        one = pd.read_parquet("one.parquet")
        np.testing.assert_allclose(matrix[tf], one["probability"], rtol=1e-5)
    code, out, err = bindgrid("predict", "ELF1, spi1", *REGIONS)
    assert (code, out.splitlines()[0]) == (0, "chrom\tstart\tend\tname\tELF1\tSPI1"), err
    code, _, err = bindgrid("predict", ",", *REGIONS)
    assert (code, "',' names no TF; give one" in " ".join(err.split())) == (2, True), err
    code, _, err = bindgrid("predict", "SPI1", "--arm", "scratch", *REGIONS)
    assert (code, "the base has this TF: leave out --arm" in " ".join(err.split())) == (2, True)


def test_a_folder_of_tracks_has_one_for_each_tf(place, bindgrid):
    figwig = pytest.importorskip("figwig")
    tiles = ("--genome", "g.fa", "--stride", 50)
    code, _, err = bindgrid("predict", "SPI1,ELF1", *tiles, "--out", "tracks")
    assert code == 0, err
    assert {path.name for path in (place / "tracks").iterdir()} == {"SPI1.bw", "ELF1.bw"}
    bindgrid("predict", "SPI1", *tiles, "--out", "one.bw")
    found, wanted = (
        np.asarray(figwig.read_bigwig(place / name, ["chr1"], [500], 100))
        for name in ("tracks/SPI1.bw", "one.bw")
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert np.isfinite(found).all()
    for out, words in (
        ("x.bw", "name a folder"),
        ("tracks", "something is there"),
        ("no/x", "no folder"),
    ):
        code, _, err = bindgrid("predict", "all", *tiles, "--out", out)
        assert (code, words in " ".join(err.split())) == (2, True), err
    code, _, err = bindgrid("predict", "all", "--fasta", "s.fa", "--out", "new")
    assert (code, "give --out another ending" in " ".join(err.split())) == (2, True), err
    assert not (place / "new").exists()


@pytest.mark.slow
def test_variants_and_contributions_of_bases_need_no_workspace(place, bindgrid):
    code, out, err = bindgrid("variants", "SPI1", "--vcf", "v.vcf", "--genome", "g.fa")
    assert (code, len(out.splitlines())) == (0, 2), err
    code, _, err = bindgrid("explain", "SPI1", *REGIONS, "--out", "ex", "--regions", "top:2")
    assert code == 0, err
    regions = pd.read_csv("ex/regions.csv")
    bindgrid("predict", "SPI1", *REGIONS, "--out", "p.parquet")
    predicted = pd.read_parquet("p.parquet")["probability"].sort_values(ascending=False)
    np.testing.assert_allclose(regions["probability"], predicted[:2], rtol=1e-4)
    assert (regions["end"] - regions["start"]).tolist() == [200, 200]
    bases = pd.read_parquet("ex/contributions.parquet")
    text = (place / "g.fa").read_text().split("\n")[1]
    first = bases[bases["region_id"] == regions["region_id"][0]]
    assert "".join(first["base"]) == text[regions["start"][0] : regions["end"][0]]
    for arguments, words in (
        (("--bed", "r.bed"), "to explain a TF of the base, give --bed, --genome and --out"),
        (("--arm", "base"), "the base has no dataset"),
        (("--bed", "r.bed", "--genome", "g.fa"), "--genome needs --bed and --out"),
        ((*REGIONS, "--out", "ex"), "something is there already"),
    ):
        code, _, err = bindgrid("explain", "SPI1", *arguments)
        assert (code, words in " ".join(err.split())) == (2, True), err


def test_models_lists_the_base_and_writes_a_table(place, base, bindgrid):
    code, out, err = bindgrid("models")
    assert code == 0, err
    assert all(tf in out for tf in base.tfs)
    code, out, _ = bindgrid("models", "PU.1", "--out", "-")
    row = dict(zip(*(line.split("\t") for line in out.splitlines()), strict=True))
    own = base.card.tfs[base.card.index("SPI1")]
    assert (row["tf"], row["model"], row["tested_on"]) == ("SPI1", "tiny-base", "chr2")
    assert float(row["auroc"]) == pytest.approx(own.test.auroc, rel=1e-4)
    code, _, err = bindgrid("models", "SPI2")
    assert (code, "near: SPI1" in err) == (2, True), err


def test_three_lines_of_python_predict_what_the_command_does(place, base, bindgrid):
    model = library.load_model("PU.1")
    with_motif, without = (
        line for line in (place / "s.fa").read_text().split("\n") if line[:1] in "ACGT" and line
    )
    found = model.predict([with_motif, "AC" + without.lower() + "GT", "N" * 200])
    assert (found.shape, model.tfs, model.length_bp) == ((3,), ("SPI1",), 200)
    _, out, _ = bindgrid("predict", "SPI1", "--fasta", "s.fa")
    told = [float(line.split("\t")[1]) for line in out.splitlines()[1:]]
    np.testing.assert_allclose(found[:2], told, rtol=1e-3)
    assert np.isnan(found[2])
    several = library.load_model("all")
    assert several.predict(with_motif).shape == (1, len(base.tfs))
    assert several.predict([]).shape == (0, len(base.tfs))
    panel = base.panel(["SPI1"])
    assert panel.predict(pack(codes_of(with_motif)[None]))[0, 0] == pytest.approx(found[0])
    with pytest.raises(DataError, match="sequence 1: 4 bp"):
        model.predict([with_motif, "ACGT"])
    with pytest.raises(DataError, match="sequence 1: nan is not a text"):
        model.predict(pd.Series([with_motif, float("nan")]))
    # the folder has no workspace, and nobody has to know what one is
    words = r"^tiny-base has no TF 'SPI2', near: SPI1.*; `bindgrid models` lists all$"
    with pytest.raises(RunError, match=words):
        library.load_model("SPI2")
    (place / "workspace" / "runs").mkdir(parents=True)
    words = r"no finished run of 'SPI2'.*; tiny-base has no such TF either, near: SPI1"
    with pytest.raises(RunError, match=words):
        library.load_model("SPI2")


@pytest.mark.slow
def test_an_export_is_loaded_by_pyfunc_without_bindgrid(place, base, bindgrid):
    code, _, err = bindgrid("export", "all", "all-tfs", "--mlflow")
    assert code == 0, err
    code, _, err = bindgrid("export", "SPI1", "one-tf", "--mlflow")
    assert code == 0, err
    program = (
        "import sys, mlflow.pyfunc, pandas as pd\n"
        "names = [line.strip() for line in open('s.fa') if line[0] != '>']\n"
        "table = pd.DataFrame({'sequence': names})\n"
        "for folder in ('all-tfs', 'one-tf'):\n"
        "    found = mlflow.pyfunc.load_model(folder).predict(table)\n"
        "    found.to_csv(folder + '.csv', index=False)\n"
        "assert 'orchestrator' not in sys.modules and 'data' not in sys.modules\n"
    )
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    bindgrid("predict", "all", "--fasta", "s.fa", "--out", "m.parquet")
    wanted, found = pd.read_parquet("m.parquet"), pd.read_csv("all-tfs.csv")
    np.testing.assert_allclose(found[list(base.tfs)], wanted[list(base.tfs)], rtol=1e-4)
    one = pd.read_csv("one-tf.csv")
    np.testing.assert_allclose(one["probability"], wanted["SPI1"], rtol=1e-4)
    code, _, err = bindgrid("export", "all", "all-tfs", "--mlflow")
    assert (code, "something is there already" in err) == (2, True), err


def test_a_base_that_cannot_be_read_is_told_in_one_line(base, place, bindgrid, monkeypatch):
    monkeypatch.setenv(BASE_VARIABLE, str(place))
    code, _, err = bindgrid("predict", "SPI1", *REGIONS)
    assert (code, "base.json: cannot be read" in " ".join(err.split())) == (2, True), err
    text = (base.folder / BASE_FILE).read_text()
    for spoilt, words in (
        (text.replace('"version": 1', '"version": 99'), "version 99"),
        (text.replace('"min_bound"', '"other"'), "other"),
        ("{", "no JSON"),
    ):
        (place / BASE_FILE).write_text(spoilt)
        code, _, err = bindgrid("models")
        assert (code, words in " ".join(err.split())) == (2, True), err
