"""What the report says of filters: figures, words, what cannot be read, the page and MLflow."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from data.motifs.database import MotifDatabase, jaspar_database
from data.motifs.motif import Motif
from experiments.cli.main import app
from experiments.interpretation import figures as filter_figures
from experiments.interpretation.figures import LogoPanel
from experiments.interpretation.followed import followed_findings
from experiments.interpretation.learnt import learnt_findings
from experiments.report import make_report
from orchestrator.errors import RunError
from orchestrator.interpretation.following import FollowedFilters, follow_filters
from orchestrator.interpretation.logos import Logo
from orchestrator.interpretation.motif_reader import MotifReader
from orchestrator.interpretation.run_motifs import StoredMotifs
from orchestrator.plan import Plan
from orchestrator.report.pairs import Pairs
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.summaries import summary_metrics
from orchestrator.workspace import Workspace
from tests.experiments.test_report import Page, summary_runs
from tests.helpers.finished_runs import Study, in_role, planned_run
from tests.orchestrator.interpretation.test_following import A, B, stored
from tests.orchestrator.report.test_figure_style import check_texts

DEAD = [[0] * 3] * 4


def motif(width: int, seed: int = 0) -> np.ndarray:
    """Frequencies of a motif, shape (4, width)."""
    return np.random.default_rng(seed).dirichlet([0.2] * 4, width).T


def filters_of(num: int) -> pd.DataFrame:
    """A table of filters, half of which match."""
    rng = np.random.default_rng(num)
    q_values = np.where(np.arange(num) % 2, 10 ** rng.uniform(-12, -2, num), 0.5)
    return pd.DataFrame(
        {
            "filter": np.arange(num),
            "state": "compared",
            "information_bits": rng.uniform(3, 20, num),
            "importance": 10 ** rng.uniform(-9, -2, num),
            "match_name": [f"Ahr::ARNT(var.{i % 9})" for i in range(num)],
            "q_value": q_values,
            "target_q_before": rng.permutation(q_values),
            "target_q_after": q_values,
            "pwm_distance": np.where(np.arange(num) % 7, rng.random(num), np.nan),
        }
    )


def map_of(num_filters: int, num_tfs: int) -> Figure:
    rng = np.random.default_rng(0)
    names = [f"{i} Ahr::ARNT(var.2)" if i % 2 else f"{i}" for i in range(num_filters)]
    tfs = [f"ZNF{100 + i}" for i in range(num_tfs)]
    return filter_figures.importance_map(
        pd.DataFrame(rng.normal(size=(num_filters, num_tfs)), index=names, columns=tfs)
    )


def panels_of(num: int, num_columns: int) -> Figure:
    panel = LogoPanel(
        title="filter99 on Ahr::ARNT(var.2), q 1e-12",
        logos=(Logo(frequencies=motif(19)), Logo(frequencies=motif(21), start=-7)),
    )
    return filter_figures.logo_panels([panel] * num, num_columns)


def counts_of(num_replicates: int) -> Figure:
    rows = pd.DataFrame({"multi": 3, "transfer": 5, "scratch": 0}, index=range(num_replicates))
    return filter_figures.counts_by_arm({"like HNF4A's motif": rows, "like any motif": 10 * rows})


FIGURES: dict[str, Callable[[], Figure]] = {
    "map of 100 filters and 50 TFs": partial(map_of, 100, 50),
    "map of 2 filters and 1 TF": partial(map_of, 2, 1),
    "12 logos": partial(panels_of, 12, 3),
    "logos in two columns": partial(panels_of, 7, 2),
    "importance of 100": lambda: filter_figures.information_and_importance(filters_of(100), 0.05),
    "importance of 1": lambda: filter_figures.information_and_importance(filters_of(1), 0.05),
    "counts of a replicate": partial(counts_of, 1),
    "counts of 5 replicates": partial(counts_of, 5),
    "moved": lambda: filter_figures.target_match_moved(filters_of(100), "HNF4A", 0.05),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_off_or_on_another(name: str) -> None:
    check_texts(FIGURES[name]())


def test_a_map_shows_the_filters_that_matter_most_like_ones_beside_each_other() -> None:
    values = np.zeros((80, 2))
    values[:30, 0], values[50:, 1] = 1.0, -2.0
    axes = filter_figures.importance_map(pd.DataFrame(values, columns=["A", "B"])).axes[0]
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (60, 2)
    # two blocks: neighbours differ once
    assert (np.abs(np.diff(shown, axis=0)).sum(axis=1) > 0).sum() == 1


def test_a_turned_logo_is_the_reverse_complement() -> None:
    frequencies = motif(5)
    turned = Logo(frequencies=frequencies, start=-3).turned()
    assert turned.start == -3
    np.testing.assert_array_equal(turned.frequencies[0], frequencies[3, ::-1])
    np.testing.assert_array_equal(turned.frequencies[1], frequencies[2, ::-1])


@dataclass(frozen=True, kw_only=True)
class FakeReader(MotifReader):
    """Gives what it was told to, by key."""

    motifs: dict[str, Any]

    def read(self, key: str) -> StoredMotifs:
        return self._given(key)

    def follow(self, transfer: str, scratch: str) -> FollowedFilters:
        assert scratch == transfer.replace("t", "s")
        return self._given(transfer)

    def _given(self, key: str) -> Any:
        if key not in self.motifs:
            raise RunError(f"run {key} is damaged")
        return self.motifs[key]


def reader_of(motifs: dict[str, Any]) -> FakeReader:
    names = ("HNF4A", "SPI1", "Hnf4a(var.2)")
    database = MotifDatabase(
        name="three motifs",
        slug="three",
        motifs=tuple(
            Motif(name.upper(), name, motif(4, seed), name=name) for seed, name in enumerate(names)
        ),
    )
    return FakeReader(workspace=Workspace(Path("none")), database=database, motifs=motifs)


def learnt(folder: Path, q_values: list[float]) -> StoredMotifs:
    """A multi-model of three filters of which the last never fires."""
    found = stored(folder, [A, B, DEAD], {(i, "SPI1"): q for i, q in enumerate(q_values)})
    matched = [*q_values, np.nan]
    found.table.assign(
        state=["compared", "compared", "never fires"],
        consensus="ACG",
        information_bits=[5.0, 4.0, 0.0],
        num_sites=[10, 10, 0],
        q_value=matched,
        match_id="SPI1",
        importance=[0.02, 0.01, 0.0],
        most_important_for="M1",
    ).to_csv(folder / "filters.csv", index=False)
    rng = np.random.default_rng(0)
    pd.DataFrame(
        [(f, tf, rng.random(), rng.normal()) for f in range(3) for tf in ("M1", "M2")],
        columns=["filter", "tf", "squared_change", "logit_change"],
    ).to_parquet(folder / "importance.parquet")
    again = StoredMotifs(folder)
    info = replace(again.info, num_matched_shuffled=1, num_regions=1000)
    again.__dict__["info"] = info  # as if it had been read
    return again


def multi_rows(*keys: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": keys,
            "experiment": "transfer",
            "pretraining_set": "2 TFs",
            "replicate": np.arange(len(keys)) + 1,
            "finished_at": 1.0,
        }
    )


def test_how_many_filters_match_beside_chance(tmp_path: Path) -> None:
    reader = reader_of({"m1": learnt(tmp_path / "m1", [0.001, 0.4])})
    found = learnt_findings(multi_rows("m1"), reader)
    [finding] = found.findings
    assert finding.sentence == (
        "1 of 3 filters of the multi-model match a motif of three motifs at q < 0.05, no more than "
        "half; with the positions of each filter shuffled 1 do."
    )
    states, most, importance = finding.details
    assert states == (
        "Replicate 1: 1 match, 2 have a motif that can be compared, 1 never fires; read in 9 of "
        "1,000 regions, those predicted correctly for all TFs."
    )
    assert most == "The best matches are to 1 motif; most often, with numbers of filters: SPI1 (1)."
    assert importance == (
        "Filters that match are more important than compared filters that do not, by a factor of "
        "2.0 (medians)."
    )
    assert [named.stem for named in finding.figures] == [
        "transfer-filters-logos",
        "transfer-filters-importance",
        "transfer-filters-by-tf",
    ]
    assert finding.shown["best match"].tolist() == ["SPI1 SPI1"]
    assert finding.numbers["num_matched"] == 1
    assert len(finding.table) == 3
    assert found.missing == ()


def test_multi_models_of_several_replicates_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    made = {
        "m1": learnt(tmp_path / "m1", [0.001, 0.004]),
        "m3": learnt(tmp_path / "m3", [0.2, 0.03]),
    }
    found = learnt_findings(multi_rows("m1", "m2", "m3"), reader_of(made))
    [finding] = found.findings
    assert finding.sentence.startswith("On average 1.5 of 3 filters of a multi-model match a motif")
    assert "(1 to 2 in 2 replicates), no more than half" in finding.sentence
    assert sorted(finding.table["replicate"].unique()) == [1, 3]
    assert found.missing == (
        "Filters of the multi-model of 2 TFs r2 could not be read: run m2 is damaged.",
    )


def test_no_filter_that_matches_is_told_too(tmp_path: Path) -> None:
    reader = reader_of({"m1": learnt(tmp_path / "m1", [0.3, 0.4])})
    [finding] = learnt_findings(multi_rows("m1"), reader).findings
    assert finding.sentence.startswith("0 of 3 filters")
    assert finding.figures[0].stem == "transfer-filters-importance"
    assert finding.shown.empty


def followed(folder: Path, q_after: float) -> FollowedFilters:
    """Three filters, of which one looks like HNF4A, another after fine-tuning if q allows."""
    folder.mkdir()
    multi = {(0, "HNF4A"): 0.01, (1, "SPI1"): 0.2, (1, "HNF4A"): 0.9}
    transfer = {(0, "HNF4A"): 0.02, (1, "SPI1"): 0.4, (1, "Hnf4a(var.2)"): q_after}
    arms = {
        "multi": stored(folder / "multi", [A, A, DEAD], multi),
        "transfer": stored(folder / "transfer", [A, B, DEAD], transfer),
        "scratch": stored(folder / "scratch", [A, A, DEAD], {(0, "HNF4A"): 0.5}),
    }
    weights = np.array([[1, 0], [1, 0], [1, 1]], dtype=np.float32)
    moved = np.array([[2, 0], [0, 3], [1, 0]], dtype=np.float32)
    return follow_filters(arms, ["HNF4A"], weights=(weights, moved))


def pairs_of(num: int) -> Pairs:
    table = pd.DataFrame(
        {
            "tf": "HNF4A",
            "size": 500.0,
            "group": "500 bound",
            "pretraining_set": "50 TFs",
            "replicate": np.arange(num) + 1,
            "key_transfer": [f"t{i}" for i in range(num)],
            "key_scratch": [f"s{i}" for i in range(num)],
        }
    )
    return Pairs(table=table, single=table.iloc[:0], num_set_aside=0)


def test_filters_that_came_to_look_like_the_target(tmp_path: Path) -> None:
    made = {f"t{i}": followed(tmp_path / f"{i}", q) for i, q in enumerate((0.001, 0.06))}
    found = followed_findings(pairs_of(3), reader_of(made))
    assert found.missing == ("Filters of HNF4A r3 could not be read: run t2 is damaged.",)
    [finding] = found.findings
    assert finding.sentence == (
        "Filters that look like HNF4A's motif in three motifs (q < 0.05), on average over 2 "
        "replicates: 1.0 (1 to 1) in the multi-model, 1.5 (1 to 2) after fine-tuning, 0.0 (0 to 0) "
        "in the model from scratch."
    )
    moved, matched, distances = finding.details
    assert moved == (
        "In fine-tuning 1 filter began to resemble HNF4A's motif, 2 still did and 0 no longer did "
        "(over 2 replicates)."
    )
    assert "any motif: 1.0 (1 to 1) in the multi-model, 1.5 (1 to 2) after" in matched
    assert distances.startswith("Half of the filters' motifs changed by less than ")
    assert [named.stem for named in finding.figures] == [
        "interpretation-HNF4A",
        "interpretation-HNF4A-moved",
        "interpretation-HNF4A-logos",
    ]
    assert "began to resemble HNF4A's motif: in the multi-model" in finding.figures[2].caption
    titles = [axes.get_title(loc="left") for axes in finding.figures[2].figure.axes]
    assert titles[0].startswith("filter1: q 9e-01 to 1e-03, moved ")
    assert finding.numbers["num_target_like_transfer"] == 1.5
    assert finding.numbers["num_moved_to_target"] == 0.5
    first = finding.shown.iloc[0]
    assert (first["filter"], first["match after"]) == ("1", "Hnf4a(var.2) (1e-03)")


def test_where_none_came_the_nearest_are_shown(tmp_path: Path) -> None:
    found = followed_findings(pairs_of(1), reader_of({"t0": followed(tmp_path / "0", 0.06)}))
    [finding] = found.findings
    assert "(q < 0.05): 1 in the multi-model, 1 after fine-tuning, 0 in" in finding.sentence
    assert "0 filters began to resemble HNF4A's motif, 1 still did" in finding.details[0]
    assert finding.figures[2].caption.endswith("none began to resemble it in fine-tuning.")
    assert finding.numbers["num_moved_to_target"] == 0


@pytest.fixture
def interpreted(trained: Workspace, tmp_path: Path) -> Workspace:
    """The trained workspace, its runs those of `interpretation` too."""
    place = Workspace(tmp_path / "workspace")
    place.root.mkdir()
    (trained.root / "motifs").mkdir(exist_ok=True)
    for name in ("dataset", "runs", "motifs"):
        (place.root / name).symlink_to(trained.root / name)
    runs = [run.planned for run in RunStore(place).completed()]
    roles = [
        in_role(run, experiment="interpretation") for run in runs if run.spec.training is not None
    ]
    RunStore(place).record_roles(Plan([*runs, *roles]))
    return place


@pytest.mark.slow
def test_the_command_reads_filters_once_and_the_page_stands_alone(
    interpreted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result = CliRunner().invoke(app, ["report", "-w", str(interpreted.root)])
    assert result.exit_code == 0, result.output
    assert "filters of the multi-model match a motif of JASPAR2020" in " ".join(
        result.output.split()
    )
    assert "Filters that look like SPI1's motif in JASPAR2020" in " ".join(result.output.split())
    page = interpreted.report / "index.html"
    assert page.stat().st_size < 10e6
    text = page.read_text()
    found = Page(text)
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    for reference in found.references:
        if reference.startswith("#"):
            assert reference[1:] in found.ids
        elif not reference.startswith("data:image/png;base64,"):
            assert (page.parent / reference).is_file(), reference
    for target in re.findall(r"url\(([^)]*)\)", text):
        assert target[1:] in found.ids
    assert "What the filters learnt" in text
    [run] = summary_runs(interpreted, "interpretation")
    client = TrackingClient(interpreted).mlflow
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"interpretation-SPI1.csv", "interpretation-SPI1.svg"} <= artifacts
    assert "num_target_like_transfer" in run.data.metrics
    [run] = summary_runs(interpreted, "transfer")
    assert "median_gain" in run.data.metrics
    assert "What the filters learnt/num_matched" in run.data.metrics

    steps: list[str] = []
    reader = MotifReader(workspace=interpreted, database=jaspar_database(), on_step=steps.append)
    again = {
        section.experiment: section for section in make_report(interpreted, motifs=reader).sections
    }
    assert steps == []
    [followed] = again["interpretation"].findings
    assert followed.heading == "SPI1"
    names = {metric.key for metric in summary_metrics(again["transfer"])}
    assert "What the filters learnt/num_matched_shuffled" in names
    learnt = again["transfer"].findings[1].table
    key = find_run(RunStore(interpreted), "SPI1", "multi").key
    theirs = pd.read_csv(next(interpreted.motifs(key).glob("conv1-*")) / "filters.csv")
    assert (learnt["q_value"] < 0.05).sum() == (theirs["q_value"] < 0.05).sum()


def test_filters_can_be_left_out_or_be_unreadable(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "workspace")
    study = Study(place)
    study.add(planned_run("multi", "", experiment="interpretation"), 0.7)
    study.add_pair("SPI1", 0.6, 0.8, experiment="interpretation")
    [section] = make_report(place).sections
    assert section.headline == "Nothing to compare yet: 3 runs complete, no filters were read."
    reader = MotifReader(workspace=place, database=jaspar_database())
    [section] = make_report(place, motifs=reader).sections
    assert section.findings == ()
    assert "Filters of SPI1 r1 could not be read: " in section.missing[-2]
    assert "Filters of the multi-model of 3 TFs r1 could not be read: " in section.missing[-1]
