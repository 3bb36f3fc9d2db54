"""Before a plan starts on a cluster, every node checks that it shares the workspace and the code.

A job takes the code along, but not the workspace: each node reads and writes it under the path that
the driver has for it. A node that cannot would fail every run that it is given, so that is an error
at the start. Without a job a node has code of its own, and may have another version of it, by which
the same run would have another result: an error too.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.checkout import code_fingerprint
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

ANSWER_SECONDS = 120.0
"""Time for all nodes together to answer; a node that has to start a process takes seconds."""

LOOK_SECONDS = 5.0
"""Time in which a node must see a new file: network file systems show it with a delay."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What every node must find in the workspace."""

    workspace: Workspace
    folder: Path
    """Folder in the workspace that the driver has just made."""
    token: str
    """Content of the file `token` there."""
    manifest: str
    """SHA-256 of the dataset's manifest as the driver sees it; empty if there is no dataset."""
    code: str = ""
    """Fingerprint of the driver's code (`orchestrator.checkout`); empty compares none."""


def look(probe: Probe, look_seconds: float = LOOK_SECONDS) -> str:
    """Give what prevents this machine from using the workspace; empty if nothing does."""
    root = probe.workspace.root
    until = time.monotonic() + look_seconds
    while (found := _read(probe.folder / "token")) is None and time.monotonic() < until:
        time.sleep(0.1)
    if not root.is_dir():
        return f"does not see {root}"
    if found != probe.token.encode():
        return f"has another {root}"
    try:
        (probe.folder / secrets.token_hex(8)).write_text(probe.token)
    except OSError as error:
        return f"cannot write to {root} ({error.strerror})"
    if _manifest(probe.workspace) != probe.manifest:
        return f"has another dataset in {probe.workspace.dataset}"
    if probe.code and probe.code != code_fingerprint():
        return f"has another version of bindgrid or torch in {Path(__file__).parents[3]}"
    return ""


def check_shared(workspace: Workspace) -> None:
    """Have every node of the cluster that Ray is connected to check the workspace.

    Parameters
    ----------
    workspace : Workspace
        Must be on storage that all nodes mount under the same path.

    Raises
    ------
    RunError
        If a node does not see it, sees another one, cannot write to it, or lacks the code or has
        another version of it; names the node. Or if folders cannot be renamed there, as in mounted
        object storage.
    """
    workspace = Workspace(workspace.root.resolve())  # as workers are given it
    probe = Probe(
        workspace=workspace,
        folder=workspace.making(f"probe-{secrets.token_hex(4)}"),
        token=secrets.token_hex(16),
        manifest=_manifest(workspace),
        code=code_fingerprint(),
    )
    try:
        probe.folder.mkdir(parents=True)
        (probe.folder / "token").write_text(probe.token)
        _check_renames(probe)
        troubles = _ask_all(probe)
    except OSError as error:
        raise RunError(
            f"cannot write to {workspace.root} ({error.strerror}): free space or check rights"
        ) from error
    finally:
        shutil.rmtree(probe.folder, ignore_errors=True)
    if troubles:
        more = f" (and {len(troubles) - 1} more nodes)" if len(troubles) > 1 else ""
        raise RunError(
            f"{troubles[0]}{more}: put the workspace on storage that all nodes share under one "
            "absolute path, and submit the code by `ray job submit --working-dir .`, or install "
            "the same bindgrid and torch on every node"
        )


def _check_renames(probe: Probe) -> None:
    """Raise RunError where a folder cannot be renamed, by which every run is stored."""
    folder = probe.folder / "folder"
    folder.mkdir()
    (folder / "file").write_text(probe.token)
    try:
        folder.rename(probe.folder / "renamed")
    except OSError as error:
        raise RunError(
            f"{probe.workspace.root} is on storage that cannot rename a folder ({error.strerror}), "
            "such as mounted object storage: put the workspace on a shared file system, see "
            "docs/cluster.md"
        ) from error


def _ask_all(probe: Probe) -> list[str]:
    """Say what is wrong, a line per node."""
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    asked = {_remote_look(node["NodeID"], probe): node["NodeManagerAddress"] for node in nodes}
    until = time.monotonic() + ANSWER_SECONDS
    troubles = []
    for answer, address in asked.items():
        try:
            trouble = ray.get(answer, timeout=max(until - time.monotonic(), 0.1))
        except GetTimeoutError:
            trouble = f"has not answered in {ANSWER_SECONDS:.0f} s"
        except (RayError, ImportError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            trouble = f"cannot look into the workspace ({lines[-1].strip()})"
        if trouble:
            troubles.append(f"node {address} {trouble}")
    return troubles


def _remote_look(node_id: str, probe: Probe) -> Any:
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": here}
    return ray.remote(look).options(**options).remote(probe)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _manifest(workspace: Workspace) -> str:
    content = _read(workspace.dataset / "manifest.json")
    return "" if content is None else hashlib.sha256(content).hexdigest()
