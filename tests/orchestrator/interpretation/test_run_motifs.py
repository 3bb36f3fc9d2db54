"""Filters of a finished run: found by key or TF, read once, stored whole; the command."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from memelite.io import read_meme

from data.motifs.database import jaspar_database
from data.motifs.meme import write_meme
from data.motifs.motif import Motif
from orchestrator.errors import RunError
from orchestrator.interpretation import run_motifs as motifs_module
from orchestrator.interpretation.run_motifs import StoredMotifs, filter_matches, run_motifs
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace

pytestmark = pytest.mark.slow  # filters of the paper's networks, compared with all of JASPAR


@pytest.fixture
def place(trained) -> Workspace:
    return trained


@pytest.fixture
def stored(place) -> StoredMotifs:
    return run_motifs(find_run(RunStore(place), "SPI1"), place, jaspar_database())


def test_what_is_stored_agrees_with_itself(stored):
    table, motifs, info = stored.table, stored.motifs, stored.info
    assert table["filter"].tolist() == list(range(100))
    assert motifs.counts.shape == (100, 4, 19)
    np.testing.assert_array_equal(motifs.counts.sum(axis=1)[:, 0], table["num_sites"])
    assert info.num_correct <= info.num_regions
    assert (table["num_regions"] <= info.num_correct).all()
    compared = table["state"] == "compared"
    assert set(stored.matches["filter"]) == set(table["filter"][compared])
    best = stored.matches.groupby("filter")["p_value"].min()
    np.testing.assert_allclose(table["p_value"][compared], best)
    assert len(stored.importance) == 100
    np.testing.assert_allclose(stored.importance["squared_change"], table["importance"], rtol=1e-12)
    assert set(table["most_important_for"]) == {"SPI1"}
    assert stored.path.name == "conv1-jaspar2020"


def test_the_meme_file_holds_the_same_motifs(stored):
    theirs = read_meme(str(stored.path / "filters.meme"))
    firing = stored.table[stored.table["num_sites"] > 0]
    assert list(theirs) == [f"filter{r.filter} {r.consensus}" for r in firing.itertuples()]
    for index, matrix in zip(firing["filter"], theirs.values(), strict=True):
        np.testing.assert_allclose(matrix, stored.motifs.frequencies[index], atol=1e-7)


def test_logos_of_all_and_of_those_that_match(stored):
    assert (stored.path / "logos.png").read_bytes()[1:4] == b"PNG"
    singles = {path.stem for path in (stored.path / "logos").iterdir()}
    matched = stored.table["filter"][stored.table["q_value"] < 0.05]
    assert singles == {f"filter{index}" for index in matched}


def test_it_is_done_once(place, stored):
    before = {path: path.stat().st_mtime_ns for path in stored.path.rglob("*")}
    steps: list[str] = []
    run_motifs(find_run(RunStore(place), "SPI1"), place, jaspar_database(), on_step=steps.append)
    assert steps == []
    assert {path: path.stat().st_mtime_ns for path in stored.path.rglob("*")} == before


def test_a_card_reads_what_is_stored_or_compares_anew_and_stores_nothing(place):
    run, database = find_run(RunStore(place), "SPI1", "scratch"), jaspar_database()
    stored = run_motifs(run, place, database)
    again = filter_matches(run, place, database)
    pd.testing.assert_frame_equal(again.matches, stored.matches)
    num_matched, consensus = stored.num_matched(), stored.table["consensus"].tolist()
    counts = stored.motifs.counts
    shutil.rmtree(place.motifs(run.key))
    anew = filter_matches(run, place, database)
    assert not place.motifs(run.key).exists()
    pd.testing.assert_frame_equal(anew.matches, stored.matches)
    np.testing.assert_array_equal(anew.motifs.counts, counts)
    assert anew.num_matched() == num_matched
    assert anew.table["consensus"].tolist() == consensus


def test_a_failure_leaves_nothing_half_written(place, monkeypatch):
    def failing(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(motifs_module, "save_sheet", failing)
    run = find_run(RunStore(place), "SPI1", "scratch")
    shutil.rmtree(place.motifs(run.key), ignore_errors=True)  # of another test
    with pytest.raises(OSError, match="disk full"):
        run_motifs(run, place, jaspar_database())
    assert list(place.motifs(run.key).iterdir()) == []


def test_one_of_an_older_version_is_made_anew(place):
    run = find_run(RunStore(place), "SPI1", "multi")
    path = run_motifs(run, place, jaspar_database()).path
    info = json.loads((path / "filters.json").read_text())
    older = {name: info[name] for name in ("run", "tfs", "filters")}  # without a version
    (path / "filters.json").write_text(json.dumps(older))
    again = run_motifs(run, place, jaspar_database())
    assert again.info.version == motifs_module.VERSION
    assert again.info.tfs == ("ELF1", "SPI1")
    assert len(again.importance) == 200
    (path / "filters.json").write_text(json.dumps(info | {"version": 9}))
    with pytest.raises(RunError, match="version 9, this bindgrid reads up to"):
        run_motifs(run, place, jaspar_database())
    (path / "filters.json").write_text(json.dumps(info))


def test_runs_are_found_by_key_tf_and_arm(place):
    store = RunStore(place)
    by_name = {run.planned.name: run for run in store.completed()}
    transferred = by_name["SPI1 transfer r1"]
    assert find_run(store, transferred.key).key == transferred.key
    assert find_run(store, "spi1").key == transferred.key
    assert find_run(store, "SPI1", "scratch").key == by_name["SPI1 scratch r1"].key
    multi = by_name["multi-model 2 TFs r1"]
    assert find_run(store, "SPI1", "multi").key == multi.key
    # no transfer of it, but a multi-model was trained on it
    assert find_run(store, "ELF1", "multi").key == multi.key
    with pytest.raises(RunError, match="no finished transfer run of ELF1; there is: multi"):
        find_run(store, "ELF1")
    with pytest.raises(RunError, match="no finished run of 'SPIB', a key or TF; near: SPI1"):
        find_run(store, "SPIB")


def test_a_run_without_a_network_says_which_has_it(place):
    store = RunStore(place)
    scored = next(run for run in store.completed() if run.planned.spec.training is None)
    with pytest.raises(RunError, match=find_run(store, "SPI1", "multi").key):
        run_motifs(scored, place, jaspar_database())


@pytest.fixture
def command(bindgrid, place):
    return lambda *arguments: bindgrid("motifs", *arguments, "-w", place.root)


def test_the_command_shows_filters_and_where_the_files_are(command, stored):
    code, out, err = command("SPI1")
    assert code == 0, err
    assert "SPI1 transfer r1, run " in err
    assert "of 100 filters match a motif of JASPAR2020 CORE vertebrates" in out
    assert str(stored.path) in out
    assert out.count("│") == 30 * 9
    assert command("SPI1", "--all")[1].count("│") == 100 * 9


def test_a_users_motifs_and_a_deeper_layer(command, tmp_path, place):
    path = tmp_path / "mine.meme"
    probabilities = np.full((4, 8), 0.1) + 0.6 * np.eye(4)[:, np.arange(8) % 4]
    write_meme(path, [Motif("", "mine", probabilities)])
    code, out, err = command("SPI1", "--motifs", path, "--layer", 2)
    assert code == 0, err
    assert "1 motif; p-values depend on the motifs compared with" in " ".join(err.split())
    assert "of 200 filters match" in out
    folder = next(p for p in place.motifs(find_run(RunStore(place), "SPI1").key).glob("conv2-*"))
    assert StoredMotifs(folder).motifs.width_bp == 39


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["SPIB"], "no finished run of 'SPIB'"),
        (["SPI1", "--layer", 4], "no convolution 4, it has 3"),
        (["SPI1", "--jaspar", "1999"], "no JASPAR release '1999'"),
        (["SPI1", "--motifs", "none.meme"], "none.meme: cannot be opened"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_exit_code_2(command, arguments, told):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert told in err.splitlines()[-1]
