"""The interface that the backends share."""

import inspect

from orchestrator.backends import local, processes
from orchestrator.backends.interface import RunPlan
from orchestrator.backends.ray import run_plan as ray_backend

BACKENDS: tuple[RunPlan, ...] = (local.run_plan, processes.run_plan, ray_backend.run_plan)


def test_backends_differ_in_their_options_alone() -> None:
    shared = list(inspect.signature(RunPlan.__call__).parameters.values())[1:]
    for backend in BACKENDS:
        *own, options = inspect.signature(backend).parameters.values()
        assert [(one.name, one.kind, one.default) for one in own] == [
            (one.name, one.kind, one.default) for one in shared
        ]
        assert options.name == "options"
