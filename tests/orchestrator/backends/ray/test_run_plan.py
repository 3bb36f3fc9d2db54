"""The Ray backend: what the feeder gives out, and one real plan on real actors."""

import os
import subprocess
import tempfile
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Sampling
from data.dataset.store import write_dataset
from data.schema import Evidence
from model.network_config import NetworkConfig
from model.training.loop import TrainingConfig
from orchestrator.backends import local as local_backend
from orchestrator.backends.ray.run_plan import RayOptions, run_plan
from orchestrator.backends.ray.searcher import MAX_WARM_UP_SECONDS, PlanSearcher, Workers
from orchestrator.backends.ray.session import session
from orchestrator.backends.ray.worker import RunTrainable
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.role import Arm, RunRole
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.spec import RegionSpec, RunSpec
from orchestrator.workspace import Workspace
from tests.orchestrator.runs.test_execute import contents

pytestmark = pytest.mark.xdist_group("ray")

NUM_REGIONS = 400
TRAINING = TrainingConfig(lr=0.003, max_epochs=1)
NETWORK = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))


def multi_spec(dataset: str = "none") -> RunSpec:
    tfs = ("A", "B")
    regions = RegionSpec(tfs=tfs, view="less-sparse", sampling=Sampling(), dataset=dataset)
    network = replace(NETWORK, num_tfs=2)
    return RunSpec(regions=regions, network=network, training=TRAINING, seed=0)


def individual_spec(seed: int, dataset: str = "none", start: RunSpec | None = None) -> RunSpec:
    sampling = Sampling(seed=seed, num_bound=20)
    regions = RegionSpec(tfs=("A",), view="sparse", sampling=sampling, dataset=dataset)
    return RunSpec(regions=regions, network=NETWORK, training=TRAINING, seed=seed, start=start)


def planned(spec: RunSpec, arm: Arm = "scratch", replicate: int = 1) -> PlannedRun:
    tf = "" if arm == "multi" else "A"
    role = RunRole(experiment="transfer", arm=arm, tf=tf, replicate=replicate)
    return PlannedRun(spec=spec, role=role)


def make_dataset(workspace: Workspace) -> tuple[str, str]:
    """Write a dataset of two TFs; the fingerprints of both and of the first."""
    rng = np.random.default_rng(0)
    codes = np.array([Evidence.UNBOUND, Evidence.BOUND], dtype=np.uint8)
    dataset = write_dataset(
        workspace.dataset,
        regions=RegionTable.from_bases(
            np.array(["chr1"] * NUM_REGIONS, dtype=object),
            (1000 * np.arange(NUM_REGIONS)).astype(np.int32),
            rng.integers(0, 4, (NUM_REGIONS, 200)).astype(np.uint8),
        ),
        evidence={tf: rng.choice(codes, NUM_REGIONS) for tf in ("A", "B")},
        accessibility=None,
    )
    return dataset.fingerprint(["A", "B"]), dataset.fingerprint(["A"])


class Feeder:
    """A searcher without Tune: trials are started and ended by hand."""

    def __init__(
        self,
        tmp_path: Path,
        runs: list[PlannedRun],
        num_workers: int,
        by_group: frozenset[str] = frozenset(),
    ) -> None:
        self.ended: list[RunOutcome] = []
        store = RunStore(Workspace(tmp_path))
        remaining = Plan(runs).without([])
        workers = Workers(most=num_workers, by_group=by_group)
        self.searcher = PlanSearcher(store, remaining, workers, self.ended.append)
        self._num_trials = 0

    def start(self) -> tuple[str, object]:
        self._num_trials += 1
        trial = str(self._num_trials)
        config = self.searcher.suggest(trial)
        return trial, config["planned"] if isinstance(config, dict) else config

    def warm_up(self, num_workers: int) -> None:
        trials = [self.start()[0] for _ in range(num_workers)]
        for number in range(num_workers):
            self.searcher.may_end_idling(("node", number))
        for trial in trials:
            self.searcher.on_trial_complete(trial, {"idle": True})

    def end(self, trial: str, status: str = "completed") -> None:
        self.searcher.on_trial_complete(trial, {"status": status, "error": status})


def test_no_run_starts_before_all_workers_are_up(tmp_path: Path) -> None:
    feeder = Feeder(tmp_path, [planned(individual_spec(seed)) for seed in range(3)], 2)
    assert feeder.start()[1] is None
    assert not feeder.searcher.may_end_idling(("node", 1))
    assert feeder.start()[1] is None
    assert feeder.searcher.may_end_idling(("node", 2))


def test_workers_wait_as_long_as_others_come_up_and_then_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("orchestrator.backends.ray.searcher.time.monotonic", lambda: now)
    feeder = Feeder(tmp_path, [planned(individual_spec(seed)) for seed in range(5)], 5)
    for number in range(3):
        feeder.start()
        assert not feeder.searcher.may_end_idling(("node", number))
        now += 0.9 * MAX_WARM_UP_SECONDS
        assert not feeder.searcher.may_end_idling(("node", 0))
    now += 0.2 * MAX_WARM_UP_SECONDS
    assert feeder.searcher.may_end_idling(("node", 0))
    # one that comes up later lets nobody wait again
    assert feeder.searcher.may_end_idling(("node", 3))
    assert feeder.searcher.may_end_idling(("node", 0))


def test_a_run_starts_when_what_it_needs_is_complete_and_a_worker_idles_till_then(
    tmp_path: Path,
) -> None:
    multi = multi_spec()
    runs = [planned(multi, "multi"), planned(individual_spec(1, start=multi), "transfer")]
    feeder = Feeder(tmp_path, runs, 2)
    feeder.warm_up(2)
    first, run = feeder.start()
    assert run == runs[0]
    idle, run = feeder.start()
    assert run is None
    assert not feeder.searcher.may_end_idling(("node", 1))
    feeder.end(first)
    assert feeder.searcher.may_end_idling(("node", 1))
    second, run = feeder.start()
    assert run == runs[1]
    feeder.searcher.on_trial_complete(idle, {"idle": True})
    # as long as a run trains, its worker may die and the run be given out again
    assert feeder.start()[1] is None
    assert not feeder.searcher.may_end_idling(("node", 1))
    feeder.end(second)
    assert feeder.searcher.may_end_idling(("node", 1))
    assert feeder.start()[1] == "FINISHED"


def test_no_more_trials_than_workers(tmp_path: Path) -> None:
    feeder = Feeder(tmp_path, [planned(individual_spec(seed)) for seed in range(3)], 1)
    feeder.warm_up(1)
    trial, run = feeder.start()
    assert isinstance(run, PlannedRun)
    assert feeder.searcher.suggest("too many") is None
    feeder.end(trial)
    assert isinstance(feeder.start()[1], PlannedRun)


def test_a_run_whose_worker_dies_is_tried_again_once_all_workers_are_up(tmp_path: Path) -> None:
    feeder = Feeder(tmp_path, [planned(individual_spec(seed)) for seed in range(2)], 2)
    feeder.warm_up(2)
    first, run = feeder.start()
    feeder.start()
    feeder.searcher.on_trial_complete(first, None, error=True)
    assert not feeder.ended
    idle, nothing = feeder.start()
    assert nothing is None
    assert feeder.searcher.may_end_idling(("node", 3))
    feeder.searcher.on_trial_complete(idle, {"idle": True})
    assert feeder.start()[1] == run


def test_a_run_whose_worker_dies_too_often_fails_and_blocks_what_needs_it(tmp_path: Path) -> None:
    multi = multi_spec()
    runs = [planned(multi, "multi"), planned(individual_spec(1, start=multi), "transfer")]
    feeder = Feeder(tmp_path, runs, 1)
    for _ in range(3):
        feeder.warm_up(1)
        trial, run = feeder.start()
        assert run == runs[0]
        feeder.searcher.on_trial_complete(trial, None, error=True)
    assert [(o.planned.key, o.status) for o in feeder.ended] == [
        (runs[0].key, "failed"),
        (runs[1].key, "blocked"),
    ]
    assert "the worker process died 3 times" in str(feeder.ended[0].error)
    assert Workspace(tmp_path).failure(runs[0].key).exists()
    assert feeder.start()[1] == "FINISHED"


def test_workers_of_a_lost_node_are_not_waited_for(tmp_path: Path) -> None:
    feeder = Feeder(tmp_path, [planned(individual_spec(seed)) for seed in range(3)], 2)
    num_cpus = 2
    feeder.searcher._workers = Workers(most=2, room=lambda: num_cpus)
    feeder.warm_up(2)
    lost, run = feeder.start()
    kept = feeder.start()[0]
    num_cpus = 1
    feeder.searcher.on_trial_complete(lost, None, error=True)
    # the worker that is left is busy, and no other can start
    assert feeder.searcher.suggest("too many") is None
    feeder.end(kept)
    idle, nothing = feeder.start()
    assert nothing is None
    assert feeder.searcher.may_end_idling(("node", 1))
    feeder.searcher.on_trial_complete(idle, {"idle": True})
    assert feeder.start()[1] == run


def test_one_group_trains_at_a_time_and_other_runs_go_on_beside_it(tmp_path: Path) -> None:
    multis = [planned(replace(multi_spec(), seed=seed), "multi") for seed in (1, 2)]
    runs = [*multis, planned(individual_spec(1)), planned(individual_spec(2))]
    feeder = Feeder(tmp_path, runs, 3, frozenset(run.key for run in multis))
    feeder.warm_up(3)
    first, run = feeder.start()
    assert run == multis[0]
    assert feeder.searcher.may_end_idling(("node", 2))
    second, run = feeder.start()
    assert run == runs[2]
    assert feeder.start()[1] == runs[3]
    feeder.end(second)
    assert feeder.start()[1] is None
    assert not feeder.searcher.may_end_idling(("node", 2))
    feeder.end(first)
    assert feeder.searcher.may_end_idling(("node", 2))
    config = feeder.searcher.suggest("the other group")
    assert config["planned"] == multis[1]
    assert config["by_group"]


def test_a_group_that_lost_a_process_is_tried_again_by_the_same_workers(tmp_path: Path) -> None:
    multi = planned(multi_spec(), "multi")
    feeder = Feeder(tmp_path, [multi], 1, frozenset([multi.key]))
    feeder.warm_up(1)
    for _ in range(3):
        trial, run = feeder.start()
        assert run == multi
        feeder.end(trial, "died")
    assert [(o.planned.key, o.status) for o in feeder.ended] == [(multi.key, "failed")]
    assert feeder.start()[1] == "FINISHED"


def test_an_error_of_the_callback_ends_the_plan(tmp_path: Path) -> None:
    feeder = Feeder(tmp_path, [planned(individual_spec(seed)) for seed in range(3)], 1)
    feeder.warm_up(1)

    def broken(outcome: RunOutcome) -> None:
        raise KeyError("mine")

    feeder.searcher._on_done = broken
    feeder.end(feeder.start()[0])
    assert isinstance(feeder.searcher.callback_error, KeyError)
    assert feeder.start()[1] == "FINISHED"


def test_a_plan_that_is_complete_starts_no_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    run = planned(individual_spec(1))
    workspace.run(run.key).mkdir(parents=True)
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    run_plan(Plan([run]), workspace, on_done=lambda _: pytest.fail("a run was run"))


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    make_dataset(workspace)
    with pytest.raises(RunError, match=r"the Ray cluster at 127\.0\.0\.1:1 .*--backend local"):
        run_plan(
            Plan([planned(individual_spec(1))]),
            workspace,
            on_done=lambda _: None,
            options=RayOptions(address="127.0.0.1:1"),
        )


@pytest.mark.parametrize("option", ["num_workers", "pretrain_workers"])
@pytest.mark.parametrize("number", [0, -1])
def test_workers_are_counted_from_one(tmp_path: Path, option: str, number: int) -> None:
    options: dict[str, Any] = {option: number}
    with pytest.raises(RunError, match="give 1 or more"):
        run_plan(
            Plan([planned(individual_spec(1))]),
            Workspace(tmp_path),
            on_done=lambda _: None,
            options=RayOptions(**options),
        )


class Probe(RunTrainable):
    """A worker that shows what it holds of the dataset."""

    def held(self, tf: str) -> dict[str, np.ndarray]:
        loaded = self._context.dataset()
        regions = loaded.regions
        arrays = {field.name: getattr(regions, field.name) for field in fields(regions)}
        return {**arrays, "evidence": loaded.column(tf)}

    def not_shared(self, tf: str) -> list[str]:
        """Names of the arrays that could be written to or lie in memory of this process alone."""
        spans = []
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, permissions = line.split()[:2]
            first, last = (int(address, 16) for address in span.split("-"))
            if permissions.endswith("s") and "plasma" in line:
                spans.append((first, last))
        return [
            name
            for name, array in self.held(tf).items()
            if isinstance(array, np.ndarray)
            and (
                array.flags.writeable
                or not any(first <= array.ctypes.data < last for first, last in spans)
            )
        ]


def twin_workspaces(root: Path) -> tuple[Workspace, Workspace, Plan]:
    """Two workspaces with one dataset, and a pre-training with a transfer from it."""
    ours, theirs = Workspace(root / "ours"), Workspace(root / "theirs")
    both, one = make_dataset(ours)
    theirs.root.mkdir()
    theirs.dataset.symlink_to(ours.dataset)
    multi = multi_spec(both)
    transferred = individual_spec(1, one, start=multi)
    return ours, theirs, Plan([planned(multi, "multi"), planned(transferred, "transfer")])


def test_a_real_worker_maps_the_drivers_tables_and_gives_the_local_backends_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ours, theirs, plan = twin_workspaces(tmp_path)
    outcomes: list[RunOutcome] = []
    local_backend.run_plan(plan, theirs, on_done=outcomes.append)

    tables = load_dataset(ours).share(["A"])
    with session(1, None, tables.num_bytes):
        config = {"workspace": str(ours.root), "tables": ray.put(tables), "group": None}
        idle = {"planned": None, "idle_seconds": 0.0, "by_group": False}
        worker: Any = ray.remote(Probe)
        worker = worker.remote({**config, **idle})
        held = ray.get(worker.held.remote("A"))
        assert ray.get(worker.not_shared.remote("A")) == []
        # this one was not put there, so the worker reads it
        assert ray.get(worker.not_shared.remote("B")) == ["evidence"]
        ray.kill(worker)
        run_plan(plan, ours, on_done=outcomes.append)
    expected = load_dataset(ours)
    np.testing.assert_array_equal(held["sequences"], expected.regions.sequences)
    np.testing.assert_array_equal(held["evidence"], expected.column("A"))
    assert [o.status for o in outcomes] == ["completed"] * 4
    for run in plan:
        for name in ("weights.safetensors", "predictions.parquet"):
            assert (ours.run(run.key) / name).read_bytes() == (
                theirs.run(run.key) / name
            ).read_bytes()


def worker_pids(title: str = "ray::RunTrain") -> set[int]:
    """Processes of the actors that this process' Ray has started, and of no other Ray."""
    listing = subprocess.run(
        ["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()[1:]]
    below = {os.getpid()}
    while more := {int(pid) for pid, parent, _ in rows if int(parent) in below} - below:
        below |= more
    return {int(pid) for pid, _, args in rows if int(pid) in below and title in args}


def test_a_real_plan_with_a_failure_and_a_killed_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    scratch = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.chdir(home)  # workers must find the packages wherever the command was typed
    workspace = Workspace(tmp_path / "workspace")
    both, one = make_dataset(workspace)
    multi = multi_spec(both)
    broken = replace(multi, seed=1, regions=replace(multi.regions, dataset="another"))
    runs = [
        planned(multi, "multi"),
        planned(broken, "multi", replicate=2),
        planned(individual_spec(9, one, start=broken), "transfer", replicate=2),
        planned(individual_spec(1, one, start=multi), "transfer"),
        *(planned(individual_spec(seed, one), replicate=seed) for seed in range(1, 5)),
    ]
    outcomes: list[RunOutcome] = []
    lock = threading.Lock()  # a callback may hold what cannot be pickled

    def on_done(outcome: RunOutcome) -> None:
        with lock:
            outcomes.append(outcome)
            if len(outcomes) == 4:
                os.kill(min(worker_pids()), 9)

    up: list[int] = []
    environment = dict(os.environ)
    run_plan(
        Plan(runs),
        workspace,
        on_done=on_done,
        options=RayOptions(num_workers=2, on_ready=lambda num_workers, _: up.append(num_workers)),
    )
    assert up == [2]
    assert dict(os.environ) == environment

    status = {o.planned.key: o.status for o in outcomes}
    assert status[runs[1].key] == "failed"
    assert status[runs[2].key] == "blocked"
    completed = [run for run in runs if run not in runs[1:3]]
    assert {key for key, end in status.items() if end == "completed"} == {r.key for r in completed}
    assert len(outcomes) == len(runs)
    keys = [o.planned.key for o in outcomes]
    assert keys.index(multi.key) < keys.index(runs[3].key)
    assert {r.key for r in RunStore(workspace).completed()} == {r.key for r in completed}
    [failure] = [o for o in outcomes if o.status == "failed"]
    assert failure.error is not None
    assert "has changed since this run was planned" in failure.error
    # nothing of Ray's stays behind: no results, no token in the home folder, no process
    assert not workspace.ray_results.exists()
    assert not list(home.iterdir())
    assert not worker_pids()
    assert not list(scratch.iterdir())

    run_plan(Plan(completed), workspace, on_done=lambda _: pytest.fail("a run was run again"))

    undisturbed = Workspace(tmp_path / "undisturbed")
    undisturbed.root.mkdir()
    undisturbed.dataset.symlink_to(workspace.dataset)
    local_backend.run_plan(Plan(completed), undisturbed, on_done=lambda _: None)
    assert contents(workspace) == contents(undisturbed)
    scratch.rmdir()
