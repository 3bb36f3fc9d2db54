"""Which precision each node of a cluster would choose, see `orchestrator.backends.precision`."""

from __future__ import annotations

from typing import Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.backends.precision import PrecisionChoice, Problem, check_precision
from orchestrator.backends.ray.session import session
from orchestrator.errors import RunError

ANSWER_SECONDS: Final = 600.0
"""Time for all nodes together: a check takes a minute, once a CPU of the node is free."""


def check_nodes(
    address: str | None, problem: Problem | None = None, device: str = "cpu"
) -> list[PrecisionChoice]:
    """Check every node that trains, all at once; takes about a minute.

    Parameters
    ----------
    address
        Address of the cluster; ignored if this process is connected to a Ray already.
    problem
        What to train; the standard problem by default.
    device
        Where runs train: "cpu", the default, or "cuda", and then nodes with a GPU are checked.

    Returns
    -------
    list of PrecisionChoice
        One for each node; `orchestrator.backends.precision.agreed` chooses among them.

    Raises
    ------
    RunError
        The cluster cannot be reached or has no node that trains, or a node did not answer.
    """
    needed = ("CPU", "GPU") if device == "cuda" else ("CPU",)
    with session(None, address):
        nodes = [
            node
            for node in ray.nodes()
            if node["Alive"] and all(node["Resources"].get(name) for name in needed)
        ]
        if not nodes:
            raise RunError(
                f"no node of the Ray cluster has a {' and a '.join(needed)}: give --precision "
                "float32"
            )
        answers = [_remote(node["NodeID"], problem, device) for node in nodes]
        try:
            choices: list[PrecisionChoice] = ray.get(answers, timeout=ANSWER_SECONDS)
        except GetTimeoutError as error:
            done, _ = ray.wait(answers, num_returns=len(answers), timeout=0)
            late = [
                node["NodeManagerAddress"]
                for node, answer in zip(nodes, answers, strict=True)
                if answer not in done
            ]
            for answer in answers:
                ray.cancel(answer, force=True)
            raise RunError(
                f"node {', '.join(late)} has not checked its precision in {ANSWER_SECONDS:.0f} s; "
                "wait until it is free, or give --precision float32"
            ) from error
        except (RayError, ImportError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise RunError(
                f"a node cannot check its precision ({lines[-1].strip()}): give --precision float32"
            ) from error
        return choices


def _remote(node_id: str, problem: Problem | None, device: str) -> Any:
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    asked: Any = ray.remote(check_precision)
    taken = {"num_cpus": 1, "num_gpus": 1 if device == "cuda" else 0}
    return asked.options(**taken, scheduling_strategy=here).remote(problem, device)
