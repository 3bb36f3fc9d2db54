"""Which precision each node of a Ray cluster would choose, see `orchestrator.precision`."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.errors import RunError
from orchestrator.precision import PrecisionChoice, check
from orchestrator.ray_session import session


def check_nodes(address: str) -> list[PrecisionChoice]:
    """Check every node that trains, all at once; takes about a minute.

    Raises
    ------
    RunError
        The cluster cannot be reached or has no node with a CPU, or a node has not answered.
    """
    with session(None, address):
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise RunError("no node of the Ray cluster has a CPU: give --precision float32")
        try:
            choices: list[PrecisionChoice] = ray.get([_remote(node["NodeID"]) for node in nodes])
        except (RayError, ImportError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise RunError(
                f"a node cannot check its precision ({lines[-1].strip()}): give --precision float32"
            ) from error
        return choices


def _remote(node_id: str) -> Any:
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(check).options(num_cpus=1, scheduling_strategy=here).remote()
