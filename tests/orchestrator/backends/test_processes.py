"""Runs in a few processes of this machine, without Ray."""

from dataclasses import replace

import pytest

from data.dataset.sampling import Sampling
from model.network_config import NetworkConfig
from orchestrator.backends import processes
from orchestrator.backends.processes import ProcessOptions, run_plan
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.role import RunRole
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.spec import RegionSpec, RunSpec
from orchestrator.workspace import Workspace

TWO = ProcessOptions(num_workers=2)


def scored(place: Workspace, num: int) -> list[PlannedRun]:
    """Runs that score SPI1's motif, each on regions of its own: hundredths of a second each."""
    regions = RegionSpec(
        tfs=("SPI1",),
        view="sparse",
        sampling=Sampling(num_bound=30),
        dataset=load_dataset(place).dataset.fingerprint(["SPI1"]),
    )
    role = RunRole(experiment="t", arm="motif", tf="SPI1", replicate=1)
    return [
        PlannedRun(
            spec=RunSpec(
                regions=replace(regions, sampling=replace(regions.sampling, seed=seed)),
                network=NetworkConfig(num_tfs=1),
                training=None,
                seed=seed,
                motif="MA0080.5",
            ),
            role=replace(role, replicate=seed + 1),
        )
        for seed in range(num)
    ]


@pytest.mark.slow
def test_every_run_is_done_once_and_its_outcome_told(workspace: Workspace) -> None:
    plan = Plan(scored(workspace, 6))
    told: list[RunOutcome] = []
    run_plan(plan, workspace, on_done=told.append, options=TWO)
    assert sorted(one.planned.key for one in told) == sorted(run.key for run in plan)
    assert {(one.status, one.error) for one in told} == {("completed", None)}
    store = RunStore(workspace)
    assert all(store.is_complete(run.key) for run in plan)
    # nothing is left, so no process is started and nothing is told
    run_plan(plan, workspace, on_done=told.append, options=TWO)
    assert len(told) == 6


@pytest.mark.slow
def test_a_process_that_dies_fails_the_run_that_it_had_and_the_others_go_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dead(processes._Other):
        def __init__(self, place: Workspace) -> None:
            super().__init__(place)
            self._process.kill()
            self._process.join()

    monkeypatch.setattr(processes, "_Other", Dead)
    told: list[RunOutcome] = []
    run_plan(Plan(scored(workspace, 4)), workspace, on_done=told.append, options=TWO)
    [lost] = [one for one in told if one.status == "failed"]
    assert lost.error == "the process that trained it ended; run the same command again"
    assert len(told) == 4
    assert workspace.failure(lost.planned.key).exists()


@pytest.mark.slow
def test_what_a_callback_raises_ends_the_plan(workspace: Workspace) -> None:
    def refuse(outcome: RunOutcome) -> None:
        raise ValueError(outcome.planned.key)

    with pytest.raises(ValueError, match=r"^[0-9a-f]{16}$"):
        run_plan(Plan(scored(workspace, 4)), workspace, on_done=refuse, options=TWO)


def test_no_workers_are_refused(workspace: Workspace) -> None:
    with pytest.raises(RunError, match="0 workers cannot train anything"):
        run_plan(
            Plan(scored(workspace, 1)),
            workspace,
            on_done=print,
            options=ProcessOptions(num_workers=0),
        )
