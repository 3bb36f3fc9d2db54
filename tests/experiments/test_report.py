"""The report of a workspace: what it says, the page, its files, the command and MLflow."""

import html
import os
import re
import socket
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from data.relations.groups import GroupKind
from experiments.cli.main import app
from experiments.report import make_report
from orchestrator.errors import RunError
from orchestrator.plan import Plan, Remark
from orchestrator.report import files as report_files
from orchestrator.report.files import write_report
from orchestrator.report.sections import Report
from orchestrator.role import ModeRelation, RunVariant, SetKind
from orchestrator.role_names import VARIANT_WORDS
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.runs import RunWriter
from orchestrator.tracking.summaries import summary_metrics
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import FIFTY, Study, in_role, multi_spec, planned_run

TRANSFER = {f"M{number}": 0.6 + 0.1 * number for number in range(3)}
"""Fraction of test regions that transfer gets right; scratch gets 0.55, save for M2: 0.95."""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def add_transfer(place: Workspace, replicates: int = 2) -> None:
    study = Study(place)
    for replicate in range(1, replicates + 1):
        study.add(planned_run("multi", "", replicate), 0.7)
        for tf, right in TRANSFER.items():
            scratch = 0.95 if tf == "M2" else 0.55
            size = 450 + 100 * int(tf[1])
            study.add_pair(tf, scratch, right, replicate=replicate, num_bound=size)
        study.add(planned_run("multi", "M0", replicate), 0.58)


def add_downsampling(place: Workspace) -> None:
    for group, size, scratch, transfer in (
        ("500 bound", 450, 0.5, 0.8),
        ("all regions", 9000, 0.9, 0.9),
    ):
        for replicate in (1, 2, 3):
            Study(place).add_pair(
                "SPI1",
                scratch,
                transfer,
                num_bound=size,
                group=group,
                replicate=replicate,
                experiment="downsampling",
                target="SPI1",
            )


def add_modes(place: Workspace) -> None:
    study = Study(place)
    for mode, transfer in ((ModeRelation.SHARED, 0.85), (ModeRelation.OTHER, 0.6)):
        for number in range(3):
            tf = f"{mode[0].upper()}{number}"
            for arm, right in (("scratch", 0.55), ("transfer", transfer + 0.02 * number)):
                run = planned_run(arm, tf, experiment="binding-modes")  # type: ignore[arg-type]
                study.add(in_role(run, mode=mode), right)


def add_sets(place: Workspace) -> None:
    study = Study(place, num_regions=2000)
    role: dict[str, Any] = {"experiment": "pretraining-sets", "target": "SPI1"}
    rights = {GroupKind.SAME_MODE: 0.9, GroupKind.STRING: 0.705, GroupKind.RANDOM: 0.7}
    for replicate in (1, 2):
        scratch = planned_run("scratch", "SPI1", replicate, **role)
        study.add(in_role(scratch, size=None), 0.6)
        for kind, right in rights.items():
            for inside in (False, True):
                tfs = [kind.value.upper(), *(["SPI1"] if inside else ["A", "B"])]
                run = planned_run(
                    "transfer", "SPI1", replicate, tfs=tfs, with_target=inside, **role
                )
                study.add(in_role(run, set_kind=SetKind(kind), size=None), right)


def sections(place: Workspace) -> dict[str, Any]:
    return {section.experiment: section for section in make_report(place).sections}


def test_transfer_beside_scratch_in_words(place):
    add_transfer(place, replicates=3)
    section = sections(place)["transfer"]
    [finding] = section.findings
    assert finding.sentence.startswith("Transfer beat scratch for 2 of 3 TFs; median gain 0.")
    assert re.search(r" MCC, 95 % CI -?\d\.\d\d to \d\.\d\d\.$", finding.sentence)
    [certain, by_size, multi] = finding.details
    assert "below zero for 1 (M2)" in certain
    assert "Spearman's rho" in by_size
    assert multi.startswith("Transfer beat the multi-model itself for 1 of 1 TF")
    assert finding.numbers["num_tfs_transfer_better"] == 2
    table = finding.table.set_index("tf")
    assert list(table["num_bound"]) == [450, 550, 650]
    assert finding.numbers["median_gain"] == pytest.approx(table["gain"].median())
    assert table["gain"].to_numpy() == pytest.approx(
        (table["transfer"] - table["scratch"]).to_numpy()
    )
    assert list(table["multi"].notna()) == [True, False, False]
    assert section.missing == ()
    assert [named.stem for named in finding.figures] == ["transfer", "transfer-gain"]


def test_runs_of_one_size_say_nothing_of_size(place):
    for tf in ("A", "B", "C"):
        Study(place).add_pair(tf, 0.6, 0.8)
    section = sections(place)["transfer"]
    [finding] = section.findings
    assert "trained on the same number of bound regions (450)" in finding.details[1]
    assert [named.stem for named in finding.figures] == ["transfer"]
    assert "spearman_rho" not in finding.numbers


def test_a_tf_tested_on_a_few_regions_is_not_counted_as_certain(place):
    Study(place, num_regions=10).add_pair("FEW", 1.0, 0.0)
    for tf in ("A", "B", "C"):
        Study(place).add_pair(tf, 0.6, 0.8, num_bound=900)
    [finding] = sections(place)["transfer"].findings
    [certain, by_size] = finding.details
    assert "above zero for 3 TFs and below zero for none." in certain
    assert certain.endswith("fewer than 20 test regions say next to nothing: FEW (10).")
    assert "4 TFs, of which 3 have the same number, 900)" in by_size


def test_an_arm_without_its_twin_is_told_apart_from_arms_on_other_regions(place):
    Study(place).add_pair("A", 0.6, 0.8)
    Study(place).add(planned_run("scratch", "A", 2), 0.6)
    Study(place).add(planned_run("scratch", "B"), 0.6)
    Study(place, seed=1, num_regions=300).add(planned_run("transfer", "B"), 0.8)
    lines = sections(place)["transfer"].missing
    [alone, apart] = [line for line in lines if line.startswith("Left out")]
    assert alone.startswith("Left out, only one arm is finished: 1 set of TF")
    assert "(A 500 bound r2: scratch)" in alone
    assert apart.startswith("Left out, no two arms share test regions: 1 set of TF")
    assert "(B 500 bound r1: scratch and transfer)" in apart


def test_sets_of_tfs_and_sizes_are_kept_apart(place):
    Study(place).add_pair("A", 0.6, 0.8)
    Study(place).add_pair("A", 0.6, 0.8, group="1000 bound")
    Study(place).add_pair("B", 0.6, 0.8, tfs=("M0",))
    [section] = make_report(place).sections
    assert [(f.heading, f.stem) for f in section.findings] == [
        ("1 TFs, 500 bound", "transfer-1-TFs-500-bound"),
        ("3 TFs, 500 bound", "transfer-3-TFs-500-bound"),
        ("3 TFs, 1000 bound", "transfer-3-TFs-1000-bound"),
    ]
    # the summary has no headings of its own
    for finding in section.findings:
        assert f"{finding.heading}: {finding.sentence}" in section.headline


def test_transfer_with_the_motif_is_an_arm_of_its_own_with_the_same_twin(place):
    study = Study(place)
    for experiment in ("transfer", "downsampling", "binding-modes"):
        for tf in ("A", "B", "C"):
            study.add_pair(tf, 0.6, 0.7, experiment=experiment)
            plain = planned_run("transfer", tf, experiment=experiment)
            network = replace(plain.spec.network, motif_width=12)
            spec = replace(plain.spec, network=network, motif="MA0080.5")
            beside = in_role(replace(plain, spec=spec), variant=RunVariant.WITH_MOTIF)
            study.add(beside, 0.9)
    words = f", {VARIANT_WORDS[RunVariant.WITH_MOTIF]}"
    for section in make_report(place).sections:
        tables = {finding.heading: finding.table for finding in section.findings}
        assert len(tables) == (6 if section.experiment == "downsampling" else 2)
        for heading, table in tables.items():
            if words in heading:
                plain_table = tables[heading.replace(words, "")]
                assert (table["num_replicates"] == 1).all()
                assert (table["scratch"] == plain_table["scratch"]).all()
                assert (table["transfer"] > plain_table["transfer"]).all()
        assert sum(words in heading for heading in tables) == len(tables) / 2
        assert not any("older run" in line for line in section.missing)


def add_control(place: Workspace, experiment: str, rights: dict[str, float]) -> None:
    """Store both arms on regions that match openness too."""
    study = Study(place, seed=1)
    for tf, transfer in rights.items():
        for arm, right in (("scratch", 0.55), ("transfer", transfer)):
            run = planned_run(arm, tf, experiment=experiment)  # type: ignore[arg-type]
            sampling = replace(run.spec.regions.sampling, unbound_match="gc-and-openness")
            spec = replace(run.spec, regions=replace(run.spec.regions, sampling=sampling))
            study.add(in_role(replace(run, spec=spec), unbound_match="gc-and-openness"), right)


@pytest.mark.slow
def test_the_control_of_openness_is_reported_apart_with_its_experiment_beside_it(place):
    add_transfer(place)
    alone = sections(place)["transfer"]
    add_control(place, "transfer", {"M0": 0.6, "M1": 0.6, "M2": 0.7})
    section = sections(place)["transfer"]
    plain, control = section.findings
    assert plain.sentence == alone.findings[0].sentence
    assert plain.table.equals(alone.findings[0].table)
    assert control.heading == "openness matched"
    assert control.stem == "transfer-openness-matched"
    assert control.sentence.startswith("With unbound regions as open as bound ones: Transfer beat")
    assert control.details[0] == f"Where GC alone is matched: {plain.sentence}"
    assert list(control.table["tf"]) == ["M0", "M1", "M2"]
    assert control.numbers["num_tfs_transfer_better"] == 3
    assert [named.stem for named in control.figures] == ["transfer-openness-matched"]
    assert not any("older run" in line for line in section.missing)


def test_a_control_alone_is_reported_and_says_so(place):
    add_control(place, "binding-modes", {"A": 0.8})
    [section] = make_report(place).sections
    assert section.num_runs == 2
    assert all("openness matched" in finding.heading for finding in section.findings)


def test_downsampling_in_words(place):
    add_downsampling(place)
    [finding] = sections(place)["downsampling"].findings
    first, second = finding.sentence.split("; ")
    assert first.startswith("SPI1: from 500 bound regions transfer reached 0.")
    assert second.startswith("from all regions transfer reached 0.")
    assert re.search(r"^With the fewest regions \(500 bound\) transfer", finding.details[0])
    assert list(finding.table["group"]) == ["500 bound", "all regions"]
    assert finding.numbers["SPI1/500 bound/gain"] > 0.4
    assert finding.numbers["SPI1/500 bound/gain_low"] > 0.3


@pytest.mark.slow
def test_binding_modes_in_words_and_the_multi_models_own_tfs_beside_them(place):
    add_modes(place)
    [finding] = sections(place)["binding-modes"].findings
    assert "gained 0." in finding.sentence
    assert "MCC more than the others" in finding.sentence
    assert "for 3 TFs against" in finding.sentence
    assert "Welch's t = " in finding.sentence
    assert finding.numbers["welch_p"] < 0.05
    assert finding.numbers["shared_less_other_low"] > 0
    assert "num_tfs_multi-model" not in finding.numbers
    add_transfer(place)
    [finding] = sections(place)["binding-modes"].findings
    assert finding.numbers["num_tfs_multi-model"] == 3
    assert list(finding.table["group"].unique()) == ["multi-model", "shared mode", "other mode"]


def test_one_tf_per_mode_is_too_few_for_a_test(place):
    study = Study(place)
    for mode in (ModeRelation.SHARED, ModeRelation.OTHER):
        for arm in ("scratch", "transfer"):
            run = planned_run(arm, mode[0].upper(), experiment="binding-modes")
            study.add(in_role(run, mode=mode), 0.7)
    [finding] = sections(place)["binding-modes"].findings
    assert "too few TFs for Welch's t-test" in finding.sentence
    assert "welch_p" not in finding.numbers


def test_pretraining_sets_in_words(place):
    add_sets(place)
    section = sections(place)["pretraining-sets"]
    [finding] = section.findings
    assert finding.sentence == (
        "Sets that beat a random set, by number of targets: without the target in the set, "
        "same-mode for 1 of 1 and string for 0 of 1; with the target in the set, same-mode for 1 "
        "of 1 and string for 0 of 1."
    )
    [_, words, smaller] = finding.details
    assert re.match(r"SPI1: without the target, same-mode \(\+0\.\d\d, .*\) beat random, ", words)
    assert re.search(r"string \(.*\) did not differ from random \(0\.\d\d MCC\); with", words)
    assert re.search(r"; from scratch 0\.\d\d MCC\.$", words)
    assert smaller.startswith("Sets of fewer than 3 TFs")
    assert "SPI1 random with the target (2)" in smaller
    rows = finding.table.set_index(["group", "with_target"])
    same, random = (rows.loc[(kind, False)] for kind in ("same-mode", "random"))
    assert same["over_random"] == pytest.approx(same["mcc"] - random["mcc"])
    assert same["pretraining_tfs"] == "SAME-MODE, A, B"
    assert "cofactors without the target" in section.missing[0]


def test_sets_without_random_or_scratch_are_told_too(place):
    study = Study(place)
    run = planned_run("transfer", "SPI1", experiment="pretraining-sets", target="SPI1")
    study.add(in_role(run, set_kind=SetKind.STRING, size=None), 0.8)
    [finding] = sections(place)["pretraining-sets"].findings
    assert "No set can be compared with a random one yet; the best so far is string" in (
        finding.sentence
    )
    assert "no random set to compare with yet" in finding.details[1]


def test_what_failed_and_what_is_still_to_come_is_told(place):
    study, store = Study(place), RunStore(place)
    runs = [planned_run("scratch", tf) for tf in "ABC"]
    place.root.mkdir()
    store.record_roles(Plan(runs))
    study.add(runs[0], 0.7)
    store.record_failure(runs[1], "B has 5 bound regions", "traceback")
    report = make_report(place)
    [section] = report.sections
    assert section.headline.startswith("Nothing to compare yet: 1 run complete")
    assert section.missing[:2] == (
        "1 run failed (B has 5 bound regions): B scratch 500 bound r1.",
        "1 run planned but not complete: C scratch 500 bound r1.",
    )
    assert "A 500 bound r1: scratch" in section.missing[2]
    assert list(report.missing["error"]) == ["B has 5 bound regions", ""]


def test_what_planning_left_out_is_told_until_it_is_planned_anew(place):
    store = RunStore(place)
    Study(place).add_pair("A", 0.6, 0.8)
    store.record_remarks(
        ["transfer"], [Remark(experiment="transfer", text="left out B: B has 5 regions")]
    )
    store.record_remarks(
        ["downsampling"], [Remark(experiment="downsampling", text="left out C: C has 6 regions")]
    )
    [section] = make_report(place).sections
    assert section.remarks == ("left out B: B has 5 regions",)
    assert "left out B: B has 5 regions" in write_report(make_report(place), place).read_text()
    store.record_remarks(["transfer"], [])
    assert make_report(place).sections[0].remarks == ()
    assert store.remarks()["downsampling"] == ("left out C: C has 6 regions",)


def test_settings_that_differ_are_told_with_their_counts(place):
    add_transfer(place, replicates=1)
    run = planned_run("scratch", "M0", 2)
    training = run.spec.training
    assert training is not None
    spec = replace(run.spec, training=replace(training, max_epochs=3))
    Study(place).add(replace(run, spec=spec), 0.6)
    settings = [
        text for name, text in sections(place)["transfer"].settings if name == "from scratch"
    ]
    assert any("max_epochs 10" in text and text.endswith("(3 runs)") for text in settings)
    assert any("max_epochs 3" in text and text.endswith("(1 run)") for text in settings)


def test_runs_of_another_dataset_and_of_an_unknown_experiment_are_told(workspace):
    Study(workspace).add_pair("SPI1", 0.6, 0.8, experiment="mine")
    report = make_report(workspace)
    assert report.sections == ()
    assert report.notes == ("The report has no section for mine.",)
    assert ("regions", "400") in report.dataset
    assert (
        "warning",
        "2 runs made on another dataset than the one that is here now",
    ) in report.dataset


@pytest.mark.slow
def test_a_report_is_the_same_each_time(place):
    add_transfer(place)
    first, second = (make_report(place).sections[0].findings[0].table for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_damaged_predictions_are_one_line_with_the_remedy(place):
    run = Study(place).add(planned_run("scratch", "A"), 0.7)
    path = place.run(run.key) / "predictions.parquet"
    table = pd.read_parquet(path)
    table["probability"] = float("nan")
    table.to_parquet(path)
    with pytest.raises(RunError, match=rf"{path}: damaged \(a probability .* run again"):
        make_report(place)
    path.write_bytes(b"not parquet")
    with pytest.raises(RunError, match=rf"{path}: damaged .* run again"):
        make_report(place)
    path.unlink()
    with pytest.raises(RunError, match=rf"{path}: is missing; .* run again"):
        make_report(place)


class Page(HTMLParser):
    """What a page refers to, its ids, and whether its tags are closed."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src", "xlink:href"):
                self.references.append(value)
            elif name == "id":
                self.ids.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def full_report(place: Workspace) -> tuple[Report, Path]:
    for add in (add_transfer, add_downsampling, add_modes, add_sets):
        add(place)
    report = make_report(place)
    return report, write_report(report, place)


@pytest.mark.slow
def test_the_page_stands_alone_and_all_that_it_names_is_there(place):
    report, path = full_report(place)
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        else:
            assert (path.parent / reference).is_file(), reference
    for target in re.findall(r"url\(([^)]*)\)", text):
        assert target[1:] in page.ids
    # names of XML's kinds are no addresses that anything fetches
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "<script" not in text
    for section in report.sections:
        for finding in section.findings:
            assert html.escape(finding.sentence, quote=False) in text.replace("&#39;", "'")
            table = pd.read_csv(path.parent / "figures" / f"{finding.stem}.csv")
            assert len(table) == len(finding.table)
            for named in finding.figures:
                ElementTree.parse(path.parent / "figures" / f"{named.stem}.svg")
                png = (path.parent / "figures" / f"{named.stem}.png").read_bytes()
                assert png.startswith(b"\x89PNG")


def test_names_are_escaped(place):
    Study(place).add_pair("<b>", 0.6, 0.8)
    text = write_report(make_report(place), place).read_text()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text


@pytest.mark.slow
def test_a_report_gives_way_only_to_a_complete_one(place, monkeypatch):
    add_transfer(place)
    report = make_report(place)
    path = write_report(report, place)
    (path.parent / "figures" / "of-an-older-report.svg").touch()
    before = path.read_text()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(report_files, "save_figure", full_disk)
        with pytest.raises(RunError, match="No space left on device"):
            write_report(report, place)
    assert path.read_text() == before
    assert [entry.name for entry in place.root.iterdir() if entry.name.startswith(".rep")] == []
    write_report(report, place)
    assert not (path.parent / "figures" / "of-an-older-report.svg").exists()
    assert [entry.name for entry in place.root.iterdir() if entry.name.startswith(".rep")] == []


@pytest.mark.slow
def test_what_a_killed_report_left_is_cleared_away_or_put_back(place, monkeypatch):
    add_transfer(place, replicates=1)
    report = make_report(place)
    page = write_report(report, place)
    page.write_text("the old one")
    dead = subprocess.Popen(["true"])
    dead.wait()
    place.report.rename(place.root / f".report.{dead.pid}.retired")
    killed, running = (place.root / f".report.{pid}" for pid in (dead.pid, os.getppid()))
    for leftover in (killed, running):
        leftover.mkdir()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report_files, "save_figure", full_disk)
    with pytest.raises(RunError, match="No space left on device"):
        write_report(report, place)
    assert page.read_text() == "the old one"
    assert not killed.exists()
    assert running.exists()


def summary_runs(place: Workspace, experiment: str) -> list[Any]:
    client = TrackingClient(place).mlflow
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id], "tags.summary = 'true'"))


@pytest.mark.slow
def test_the_command_writes_the_report_and_one_summary_run(place, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    add_transfer(place)
    for _ in range(2):
        result = CliRunner().invoke(app, ["report", "-w", str(place.root)])
        assert result.exit_code == 0, result.output
        assert "Transfer beat scratch for 2 of 3 TFs" in result.output
    assert (place.report / "index.html").is_file()
    [run] = summary_runs(place, "transfer")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["num_tfs_transfer_better"] == 2
    assert run.data.metrics["median_gain_low"] < run.data.metrics["median_gain_high"]
    assert "Transfer beat scratch" in run.data.tags["mlflow.note.content"]
    artifacts = {item.path for item in TrackingClient(place).mlflow.list_artifacts(run.info.run_id)}
    assert artifacts == {
        "transfer.csv",
        "transfer.svg",
        "transfer.png",
        "transfer-gain.svg",
        "transfer-gain.png",
    }
    # the view of the runs themselves is not disturbed by the summary, nor disturbs it
    assert RunWriter(TrackingClient(place)).sync(RunStore(place)) > 0
    assert RunWriter(TrackingClient(place)).sync(RunStore(place)) == 0
    assert len(summary_runs(place, "transfer")) == 1


def test_metrics_of_several_findings_are_told_apart(place):
    Study(place).add_pair("A", 0.6, 0.8)
    Study(place).add_pair("A", 0.6, 0.9, group="all regions")
    [section] = make_report(place).sections
    names = {metric.key for metric in summary_metrics(section)}
    assert {"3 TFs_ 500 bound/median_gain", "3 TFs_ all regions/median_gain"} <= names


@pytest.mark.slow
def test_an_mlflow_that_is_not_there_is_a_warning(place, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    add_transfer(place, replicates=1)
    result = CliRunner().invoke(app, ["report", "-w", str(place.root)])
    assert result.exit_code == 0, result.output
    assert "the next `bindgrid report` logs it" in " ".join(result.output.split())
    assert (place.report / "index.html").is_file()


def test_an_empty_workspace_is_one_line(place):
    with pytest.raises(RunError, match="no finished runs; start with `bindgrid run`"):
        make_report(place)
    result = CliRunner().invoke(app, ["report", "-w", str(place.root)])
    assert isinstance(result.exception, RunError)
    assert not place.report.exists()


def test_multi_models_alone_are_a_report_of_what_is_missing(place):
    Study(place).add(planned_run("multi", ""), 0.7)
    assert multi_spec(FIFTY, 1).key in {run.key for run in RunStore(place).completed()}
    [section] = make_report(place).sections
    assert section.headline.startswith("Nothing to compare yet")
    assert section.missing[0].startswith("3 TFs of the multi-model without a pair")
    assert write_report(make_report(place), place).is_file()
