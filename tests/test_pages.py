"""A reader who types what the pages say gets what they promise: here at a tiny size."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.simulation.config import SimulationConfig
from data.simulation.simulate import simulate
from tests.helpers.pages import apply, hunks, shell_commands

ROOT = Path(__file__).parents[1]
PARTS = ("data", "experiments", "model", "orchestrator")
SMALL = {
    "run": shlex.split("--sample 20 --pretrain-epochs 1 --epochs 1 --replicates 1 --backend local"),
    "report": ["--no-filters"],
}
"""Options that make a command quick, by its name; of an option given twice the last one counts."""


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """A folder in which a reader begins, with few regions where `data simulate` puts many."""
    simulate(tmp_path / "demo" / "sources", SimulationConfig(num_regions=1200))
    return tmp_path


def typed_in_demo() -> list[list[str]]:
    """Words of the commands of `make demo`."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ").replace("$(DEMO)", "demo")
    recipe = re.findall(r"^demo:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[0]
    commands = [shlex.split(line) for line in recipe.splitlines()]
    return [words[1:] for words in commands if words[0] == "$(BIN)/bindgrid"]


@pytest.mark.slow
def test_the_first_result_of_the_readme(bindgrid, reader, monkeypatch):
    monkeypatch.chdir(reader)
    section = (ROOT / "README.md").read_text().partition("## A first result")[2]
    commands = [*typed_in_demo(), *shell_commands(section)]
    names = [words[0] if words[0] != "data" else words[1] for words in commands]
    assert names == ["simulate", "build", "run", "report", "ui"]
    for name, words in zip(names, commands, strict=True):
        if name not in ("simulate", "ui"):  # the sources are there; the UI serves until Ctrl-C
            only_one = ["--tfs", "ELF1"] if name == "run" else []
            code, _, err = bindgrid(*words, *SMALL.get(name, []), *only_one)
            assert code == 0, err
    assert "Transfer beat scratch for" in (reader / "demo/report/index.html").read_text()


def test_what_the_readme_predicts_at_once(bindgrid, reader, base, monkeypatch):
    monkeypatch.chdir(reader)
    (reader / "demo/sources/genome.fa").rename("hg38.fa")
    (reader / "regions.bed").write_text("chr1\t1000\t1200\nchr1\t3000\t3200\n")
    section = (ROOT / "README.md").read_text().partition("## Predict at once")[2]
    commands = shell_commands(section.partition("\n## ")[0])
    assert [words[0] for words in commands] == ["models", "predict", "predict"]
    for words in commands:
        code, _, err = bindgrid(*words)
        assert code == 0, err
    assert len((reader / "spi1.tsv").read_text().splitlines()) == 3
    assert list(pd.read_parquet("matrix.parquet"))[4:] == list(base.tfs)


@pytest.mark.slow
def test_the_tutorial(reader):
    page = (ROOT / "docs" / "tutorial.md").read_text()
    for part in PARTS:
        shutil.copytree(ROOT / part, reader / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", reader)
    for hunk in hunks(page):
        apply(hunk, reader)
    commands = [words for words in shell_commands(page) if words[1] != "simulate"]
    names = [words[0] for words in commands]
    assert names == ["data", "run", "run", "results", "report", "results", "ui"]
    small = [[*words, *SMALL.get(words[0], [])] for words in commands if words[0] != "ui"]
    in_folder(reader, small)
    runs = pd.read_csv(reader / "runs.csv")
    of_tfs = runs[runs.tf.isin(["ELF1", "MNT"])]
    table = of_tfs.pivot_table(index=["tf", "replicate"], columns=["arm", "network"], values="mcc")
    assert list(table.columns) == [
        (arm, network) for arm in ("scratch", "transfer") for network in ("compact", "paper")
    ]
    # both networks on the same regions
    assert (of_tfs.groupby(["tf", "replicate"])["num_test_regions"].nunique() == 1).all()


COMMANDS = """
import json, sys
from experiments.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["bindgrid", *words]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""


def in_folder(folder: Path, commands: list[list[str]]) -> None:
    """Run commands of `bindgrid` by the code in a folder, in one process: imports take longest."""
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
