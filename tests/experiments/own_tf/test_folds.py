"""Few peaks are judged by cross-validation over chromosomes: folds, their model, their verdict."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from data.dataset.sampling import Part, Sampling, chromosome_folds
from data.errors import DataError
from experiments.own_tf.plan import RIVALS, own_tf
from experiments.own_tf.suggestion import suggest
from experiments.study.planner import PlannedStudy
from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from model.calibration import Calibration
from orchestrator.backends.local import run_plan
from orchestrator.errors import UnknownModelError
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.prediction.listing import models_table
from orchestrator.prediction.predictors import find_predictor
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.calls import Predictions, read_predictions
from orchestrator.role import RunVariant
from orchestrator.runs.find_run import find_run
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.results import results_table
from orchestrator.runs.store import RunStore
from orchestrator.tracking.run_record import run_tags
from orchestrator.verdict.card import facts, write_card
from orchestrator.verdict.judged import calibrated_across
from orchestrator.verdict.verdict import judge
from orchestrator.workspace import Workspace

STUDY = Study(
    sampling=Sampling(split="chromosome", val_chroms=("chr2",), test_chroms=("chr1",)),
    scale=Scale(target_replicates=1),
    trainings=Trainings().with_epochs(multi=1, individual=1),
)


def planned(
    place: Workspace, study: Study = STUDY, num_folds: int | None = None
) -> tuple[LoadedDataset, PlannedStudy]:
    loaded = LoadedDataset(place.dataset)
    starts = suggest(loaded, study, RunStore(place), "SPI1").starts
    start = next(one for one in starts if one.kind == "masked")
    return loaded, own_tf(loaded, study, start, "SPI1", num_folds=num_folds)


def plain(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """The multi-model, and the TF's model with its folds."""
    return [
        run
        for run in runs
        if run.arm in ("multi", "transfer", "motif")
        and run.role.variant is RunVariant.PLAIN
        and run.role.step is None
    ]


def test_folds_are_of_whole_chromosomes_with_about_as_many_bound_regions_each():
    bound = {"chr1": 40, "chr2": 30, "chr3": 20, "chr4": 20, "chr5": 10, "chr6": 8}
    regions = {**dict.fromkeys(bound, 100), "chrY": 50}
    folds = chromosome_folds(bound, regions, 4)
    assert sorted(chrom for fold in folds for chrom in fold) == sorted(regions)
    assert sorted(sum(bound.get(chrom, 0) for chrom in fold) for fold in folds) == [28, 30, 30, 40]
    # a tenth of the bound regions are 12.8: the chromosome nearest to that is validated on
    assert all(
        fold[0] == min(fold, key=lambda one: abs(bound.get(one, 0) - 12.8)) for fold in folds
    )
    assert len(chromosome_folds({"chr1": 1, "chr2": 1, "chr3": 1}, regions, 5)) == 3
    with pytest.raises(DataError, match="on 2 chromosomes; cross-validation"):
        chromosome_folds({"chr1": 5, "chr2": 5}, regions, 5)


def test_the_samplings_of_folds_belong_to_their_model():
    sampling = STUDY.sampling.in_folds([["chr1", "chr4"], ["chr2"], ["chr3"]])
    assert sampling.is_judged_by_folds
    assert (sampling.val_chroms, sampling.test_chroms) == (("chr1",), ())
    last = sampling.of_fold(2)
    assert (last.val_chroms, last.test_chroms, last.fold) == (("chr1",), ("chr3",), 2)
    assert sampling.of_fold(1).test_chroms == ("chr2",)
    for wrong in (
        {"folds": (("chr1",), ("chr1",), ("chr2",))},
        {"folds": (("chr1",), ("chr2",))},
        {"fold": 3},
        {"test_chroms": ("chr1",)},
        {"split": "random"},
    ):
        with pytest.raises(ValueError, match=r"fold|chromosome"):
            replace(sampling, **wrong)


def test_a_tf_with_few_bound_regions_on_the_held_out_chromosome_is_judged_by_folds(resolved):
    loaded, study = planned(resolved)
    models = [run for run in study.runs[1:] if run.role.fold is None]
    assert all(run.spec.regions.is_judged_by_folds for run in models)
    assert len({run.spec.regions.sampling.folds for run in models}) == 1
    assert any("judged by cross-validation in 4 folds" in one.text for one in study.remarks)
    model = next(run for run in models if run.arm == "transfer")
    selection = loaded.select(model.spec.regions)
    folds = [loaded.select(fold.regions) for fold in model.spec.folds]
    tested = np.concatenate([fold.only(Part.TEST).region_ids for fold in folds])
    assert sorted(tested) == list(selection.region_ids)
    assert set(selection.part) == {Part.TRAIN, Part.VAL}
    for number, fold in enumerate(folds):
        chroms = {loaded.regions.chroms[one] for one in loaded.regions.chrom[fold.region_ids]}
        seen = loaded.regions.chrom[fold.seen_in_training()]
        held_out = set(model.spec.regions.sampling.folds[number])
        assert held_out.isdisjoint(loaded.regions.chroms[one] for one in seen)
        assert held_out <= chroms
    # the folds of all arms are the same, and every arm has them; rivals are fitted to them at once
    fitted = [run for run in models if run.spec.rival]
    assert len(fitted) == len(RIVALS)
    of_fold = [run for run in study.runs if run.role.fold == 1]
    assert len(of_fold) == len(models) - len(fitted)


def test_what_costs_much_has_one_replicate_where_folds_judge(resolved):
    _, study = planned(resolved, replace(STUDY, scale=Scale(target_replicates=3)))
    models = [run for run in study.runs[1:] if run.role.fold is None]

    def replicates(arm: str, variant: RunVariant = RunVariant.PLAIN) -> list[int]:
        return [
            run.replicate
            for run in models
            if (run.arm, run.role.variant, run.role.step) == (arm, variant, None)
        ]

    assert replicates("transfer") == replicates("motif") == [1, 2, 3]
    assert replicates("scratch") == replicates("transfer", RunVariant.WITHOUT_MOTIF) == [1]
    assert {run.replicate for run in models if run.role.step is not None} <= {1}
    # transfer fits the output layer alone, so there is no learning rate to control for
    assert replicates("scratch", RunVariant.TRANSFER_RATE) == []
    trainings = {run.arm: run.spec.training for run in models if run.spec.training is not None}
    assert trainings["transfer"].max_epochs == 0
    assert trainings["scratch"].patience == 3
    # without folds all arms have all replicates, and scratch does not stop early
    _, study = planned(resolved, replace(STUDY, scale=Scale(target_replicates=3)), num_folds=0)
    models = list(study.runs[1:])
    assert replicates("scratch") == replicates("scratch", RunVariant.TRANSFER_RATE) == [1, 2, 3]
    scratch = [run.spec.training for run in models if run.arm == "scratch"]
    assert all(one is not None and one.patience is None for one in scratch)


def test_chromosomes_are_held_out_where_that_is_asked_for_or_enough_regions_lie_there(resolved):
    _, study = planned(resolved, num_folds=0)
    assert not any(run.spec.regions.sampling.folds for run in study.runs)
    _, study = planned(resolved, num_folds=3)
    assert {len(run.spec.regions.sampling.folds) for run in study.runs[1:]} == {3}
    many = replace(STUDY, sampling=replace(STUDY.sampling, test_chroms=("chr1", "chr3")))
    _, study = planned(resolved, many)
    assert not any(run.spec.regions.sampling.folds for run in study.runs)


def test_the_key_of_a_run_without_folds_is_what_it_was():
    sampling = Sampling(num_bound=100)
    late = {"folds": (), "fold": None, "train_bound": None}
    assert {name: getattr(sampling, name) for name in late} == late
    _loaded = replace(sampling, folds=[])  # type: ignore[arg-type]
    assert _loaded == sampling


@pytest.mark.slow
def test_a_model_is_trained_on_all_regions_and_tested_on_each_once(resolved):
    loaded, study = planned(resolved)
    runs = plain(study.runs)
    done: list[RunOutcome] = []
    run_plan(Plan(runs), resolved, on_done=done.append)
    assert [one.error for one in done if one.error] == []
    store = RunStore(resolved)
    model = next(run for run in runs if run.arm == "transfer" and run.role.fold is None)
    stored = store.open(model.key)
    found = read_predictions(stored)
    selection = loaded.select(model.spec.regions)
    np.testing.assert_array_equal(found.region_ids, selection.region_ids)
    np.testing.assert_array_equal(found.bound, selection.labels[:, 0] == 1)
    for fold in model.spec.folds:
        own = read_predictions(store.open(fold.key))
        at = np.searchsorted(found.region_ids, own.region_ids)
        np.testing.assert_array_equal(found.probability[at], own.probability)
        assert not (store.open(fold.key).path / "weights.safetensors").exists()
    metrics = stored.metrics
    assert metrics.num_test_regions == len(selection.part)
    assert metrics.num_bound == int((selection.labels == 1).sum())
    assert metrics.num_test_regions_seen_in_pretraining > 0

    # a rerun goes on fold by fold: nothing is left, and a fold that is gone is trained alone
    again: list[object] = []
    run_plan(Plan(runs), resolved, on_done=again.append)
    assert again == []

    # what predicts is the model and never a fold, whatever finished last
    first = store.open(model.spec.folds[0].key)
    (first.path / "metrics.json").touch()
    assert find_run(store, "SPI1").key == model.key
    predictor = find_predictor(resolved, "SPI1")
    assert [one.key for one in predictor.replicates] == [model.key]
    assert predictor.replicates[0].calibration != Calibration()
    assert predictor.about.regions.num_folds == 4
    with pytest.raises(UnknownModelError, match="a fold of a cross-validation"):
        find_run(store, first.key)
    assert set(results_table(store)["key"]) == {run.key for run in runs if run.role.fold is None}
    [row] = [one for one in models_table(resolved).itertuples() if one.model == "own, transfer"]
    assert row.tested_on == "all, in 4 folds of chromosomes"
    assert run_tags(first.planned)["fold"] == "1 of 4"
    assert first.planned.name == "SPI1 transfer all regions, fold 1 r1"
    assert "fold" not in run_tags(stored.planned)


@pytest.mark.slow
def test_a_verdict_by_folds_says_so_and_takes_no_fold_for_an_arm(resolved):
    _, study = planned(resolved, replace(STUDY, scale=Scale(target_replicates=2)))
    runs = plain(study.runs)
    scratch = [replace(run, role=replace(run.role, arm="scratch")) for run in runs[1:]]
    # from scratch there is the first replicate alone
    runs += [run for run in scratch if run.spec.training is not None and run.replicate == 1]
    plan = Plan(runs)
    run_plan(plan, resolved, on_done=lambda _: None)
    verdict = judge(resolved, [run for own in plan.roles.values() for run in own], "SPI1")
    numbers = verdict.numbers
    assert (numbers.num_folds, numbers.num_test_bound) == (4, numbers.num_bound)
    assert "each once, in 4 folds of whole chromosomes" in numbers.split
    assert numbers.num_seen > 0
    assert not any("pre-training" in reason for reason in verdict.conclusion.reasons)
    # it is compared with the same replicate of transfer, which here is the same model
    assert numbers.num_replicates_of == {"from scratch": 1}
    assert numbers.over_scratch.value == numbers.over_scratch.ends.low == 0
    said = dict(facts(verdict))
    assert said["replicates"].startswith("2, from one multi-model, each trained once for each of ")
    assert said["replicates"].endswith(
        "1 of these, compared with the same of transfer: from scratch"
    )
    assert "all to learn from; each was tested once" in said["bound regions used"]
    assert "with the labels of TFs other than SPI1" in said["test regions seen in pre-training"]
    assert write_card(verdict, resolved).content.numbers == numbers


def predicted(num: int, num_folds: int) -> Predictions:
    rng = np.random.default_rng(3)
    bound = np.arange(num) % 2 == 0
    return Predictions(
        region_ids=np.arange(num),
        bound=bound,
        probability=np.clip(rng.normal(0.4 + 0.2 * bound, 0.2), 0.01, 0.99).astype(np.float32),
        fold=np.arange(num) * num_folds // num,
    )


def test_a_fold_is_calibrated_by_the_others():
    found = predicted(200, 4)
    calibrated = calibrated_across(found)
    flipped = replace(found, bound=np.where(found.fold == 0, ~found.bound, found.bound))
    again = calibrated_across(flipped)
    np.testing.assert_array_equal(again[found.fold == 0], calibrated[found.fold == 0])
    assert not np.array_equal(again[found.fold == 1], calibrated[found.fold == 1])


def test_regions_are_drawn_within_their_fold():
    # one fold is all right and the other all wrong: drawing within folds leaves nothing to chance
    bound = np.arange(80) % 2 == 0
    fold = (np.arange(80) < 40).astype(np.int64)
    right = np.where(fold == 1, bound, ~bound)
    found = Predictions(
        region_ids=np.arange(80), bound=bound, probability=right.astype(np.float32), fold=fold
    )
    ends = Bootstrap().scores({"transfer": [found]})["mcc"].of("transfer")
    assert ends.low == ends.high == 0
    without = Bootstrap().scores({"transfer": [replace(found, fold=None)]})["mcc"].of("transfer")
    assert without.low < 0 < without.high


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--folds", "2"), "--folds: give 3 or more, 0 for none, or `auto`, and not '2'"),
        (("--folds", "many"), "and not 'many'"),
        (("--folds", "5", "--test-chroms", "chr1"), "leave out --test-chroms and --val-chroms"),
        (("--folds", "5", "--split", "random"), "and --split random"),
    ],
)
def test_folds_that_cannot_be_had_are_one_line(bindgrid, workspace, words, said):
    code, _, err = bindgrid("tf", "train", "SPI1", *words, "-w", workspace.root)
    assert (code, len(err.splitlines()[-1:])) == (2, 1)
    assert said in " ".join(err.split())
