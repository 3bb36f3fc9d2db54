"""The report's section of `peaks-needed`, from runs whose calls are made up."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer

from experiments.peaks_needed.figures import MOTIF_ALONE, _styles
from experiments.peaks_needed.findings import (
    BEST_RIVAL,
    _Arm,
    _comparisons,
    _crossing,
    _reached,
    _trained_on,
)
from experiments.report import make_report
from orchestrator.plan import PlannedRun
from orchestrator.report.sections import Section
from orchestrator.role import RIVALS, Arm, RunVariant
from orchestrator.role_names import RIVAL_WORDS
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import Study, in_role, planned_run

PAPER, MASKED = "50 TFs, complete", "all TFs, masked"
RIGHT = {"scratch": (0.5, 0.6), PAPER: (0.6, 0.7), MASKED: (0.72, 0.9)}
"""Fractions of the test regions that each arm calls right, with 100 and with 500 bound."""


def of_masked(run: PlannedRun) -> PlannedRun:
    """Make the multi-model that a run starts from one of every resolved cell."""
    start = run.spec.start_run
    assert start is not None
    start = replace(start, regions=replace(start.regions, rows="resolved"))
    return replace(run, spec=replace(run.spec, start=start))


def by_chromosome(run: PlannedRun) -> PlannedRun:
    """Hold back the run's regions by chromosome."""
    sampling = replace(
        run.spec.regions.sampling, split="chromosome", val_chroms=("a",), test_chroms=("b",)
    )
    spec = replace(run.spec, regions=replace(run.spec.regions, sampling=sampling))
    return in_role(replace(run, spec=spec), held_back="chromosome")


def add_arms(
    study: Study, tf: str, replicate: int = 1, *, chromosome: bool = False, worse: float = 0.0
) -> None:
    for place, size in enumerate((100, 500)):
        for arm, set_name in (("scratch", ""), ("transfer", PAPER), ("transfer", MASKED)):
            role = {"experiment": "peaks-needed", "group": f"{size} bound"}
            run = planned_run(arm, tf, replicate, **role)  # type: ignore[arg-type]
            run = in_role(run, set_label=set_name)
            if chromosome:
                run = by_chromosome(run)
            if set_name == MASKED:
                run = of_masked(run)
            right = RIGHT[set_name or "scratch"][place]
            study.add(run, right - (worse if set_name == MASKED else 0))


def section(place: Workspace) -> Section:
    found = {one.experiment: one for one in make_report(place).sections}
    return found["peaks-needed"]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.mark.slow
def test_masked_transfer_is_set_beside_the_papers(place: Workspace) -> None:
    study = Study(place, num_regions=2000)
    for tf in ("A", "B"):
        add_arms(study, tf)
    add_arms(study, "C", worse=0.25)
    [finding] = section(place).findings
    assert finding.sentence.startswith(
        f"With 100 to 500 bound regions, transfer, {MASKED} minus transfer, {PAPER}: "
    )
    assert "averaged over 3 TFs; worse by more than 0.02 for 1 (C)." in finding.sentence
    mcc = finding.table.set_index(["tf", "arm", "size"])["mcc"]
    less = [
        np.mean(
            [
                mcc[tf, f"transfer, {MASKED}", n] - mcc[tf, f"transfer, {PAPER}", n]
                for n in (100, 500)
            ]
        )
        for tf in "ABC"
    ]
    name = f"transfer, {MASKED} less transfer, {PAPER}"
    assert finding.numbers[name] == pytest.approx(np.mean(less))
    assert finding.numbers[f"{name}_low"] <= min(np.mean(less), finding.numbers[f"{name}_high"])
    words = " ".join(finding.details)
    assert f"MCC 0.5 is reached by transfer, {MASKED} for 2 of 3 TFs" in words
    assert "MCC 0.5 is reached from scratch for no TF of 3." in words
    assert list(finding.shown.columns[:2]) == ["TF", "arm"]
    assert "not reached" in set(finding.shown["regions for MCC 0.5"])


def arm(
    kind: Arm, name: str, *, masked: bool = False, variant: RunVariant = RunVariant.PLAIN
) -> _Arm:
    return _Arm(arm=kind, name=name, masked=masked, num_tfs=5, variant=variant)


def test_the_richest_model_beside_the_best_rival_is_told_first() -> None:
    arms = [
        arm("scratch", "scratch"),
        arm("motif", "motif"),
        arm("gkm-svm", "gkm"),
        arm("transfer", "paper"),
        arm("transfer", "masked", masked=True),
        arm("transfer", "hidden", masked=True, variant=RunVariant.SIMILAR_HIDDEN),
        arm("transfer", "many", masked=True, variant=RunVariant.MANY_MOTIFS),
    ]
    pairs = _comparisons(arms)
    assert [(pair.first, pair.second) for pair in pairs if pair.is_told] == [
        ("many", BEST_RIVAL),
        ("masked", BEST_RIVAL),
        ("hidden", BEST_RIVAL),
        ("many", "paper"),
        ("masked", "paper"),
        ("many", "motif"),
        ("masked", "motif"),
    ]
    assert [(pair.first, pair.second) for pair in pairs if not pair.is_told] == [
        ("hidden", "paper"),
        ("hidden", "motif"),
    ]
    without = [one for one in arms if one.arm not in RIVALS]
    assert all(pair.is_told for pair in _comparisons(without))
    assert len(_comparisons(without)) == 6


def test_every_arm_is_drawn_in_another_way() -> None:
    with_networks = [f"transfer, {number}" for number in range(12)]
    styles = _styles([*with_networks, MOTIF_ALONE, *RIVAL_WORDS.values()])
    looks = {
        tuple(style.get(name) for name in ("color", "marker", "linestyle")) for style in styles
    }
    assert len(looks) == len(styles)
    assert _styles([MOTIF_ALONE, "from scratch"])[1] == _styles(["from scratch"])[0]


def test_average_precision_has_intervals_and_a_figure(place: Workspace) -> None:
    study = Study(place, num_regions=500)
    for replicate in (1, 2):
        add_arms(study, "A", replicate)
    [finding] = section(place).findings
    rows = finding.table
    assert (rows["average_precision_low"] < rows["average_precision"]).all()
    assert (rows["average_precision"] < rows["average_precision_high"]).all()
    assert [figure.stem for figure in finding.figures] == [
        "peaks-needed",
        "peaks-needed-average-precision",
    ]
    axes = finding.figures[1].figure.axes[0]
    drawn = {str(line.get_label()): line for line in axes.containers}
    masked = rows[rows["arm"] == f"transfer, {MASKED}"].sort_values("size")
    bars = drawn[f"transfer, {MASKED}"]
    assert isinstance(bars, ErrorbarContainer)
    line = bars.lines[0]
    drawn_at = np.asarray(line.get_ydata(), dtype=np.float64)
    assert drawn_at == pytest.approx(masked["average_precision"].to_numpy())


def test_ways_of_holding_regions_back_are_kept_apart(place: Workspace) -> None:
    study = Study(place)
    add_arms(study, "A")
    add_arms(study, "A", 2, chromosome=True, worse=0.1)
    findings = section(place).findings
    assert [finding.heading for finding in findings] == ["at random", "by chromosome"]
    assert len({finding.stem for finding in findings}) == 2


@pytest.mark.parametrize(
    ("mcc", "expected"),
    [
        ([0.4, 0.6], 200.0),  # half way on the logarithm
        ([0.6, 0.7], 100.0),
        ([0.1, 0.4], float("nan")),
        ([0.1, 0.5], 400.0),
    ],
)
def test_the_regions_for_a_good_model_lie_between_two_sizes(
    mcc: list[float], expected: float
) -> None:
    found = _crossing(np.array([100.0, 400.0]), np.array(mcc))
    assert found == pytest.approx(expected, nan_ok=True)
    table = pd.DataFrame({"tf": "A", "arm": "x", "size": [400, 100], "mcc": mcc[::-1]})
    assert _reached(table)["regions"].tolist() == pytest.approx([expected], nan_ok=True)


def test_a_size_is_told_with_what_it_was_trained_on():
    rows = pd.DataFrame({"size": [100, 100, 500], "num_bound": [78, 92, 455]})
    said = _trained_on(rows)
    assert said.endswith("validated on: 78 to 92 of 100 and 455 of 500.")
