"""Ray as this program uses it: quiet, private, gone at the end.

A Ray of one's own listens on this machine alone as far as Ray lets it (its control store and
raylet listen on all interfaces), and authenticates by a token that lives in this process. Groups
of processes that train together talk over the loopback; torch's meeting point for them listens
on all interfaces too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import ray

from orchestrator.errors import RunError
from orchestrator.gpus import count_gpus, require_gpu

# What the user has set stands.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # relative paths mean the same in a worker and in the command that was typed
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    # Ctrl-C is ours: Tune's own handler waits for trials that take minutes
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000",
    # Tune's state is never read back, so it is written once and not every ten seconds
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}

_OBJECT_STORE_BYTES = 128 * 2**20
"""For plans and outcomes, beside what a caller shares; Ray's least is 75 MB."""

SLOT = "bindgrid_group_worker"
"""Resource of a Ray that is started: room for a worker of a group, without end."""

_MAX_SOCKET_DIR = 40
"""Longest folder (characters) that Ray may put its sockets under; Unix allows 107 in all."""


_REMOVAL_TRIES = 30


@contextlib.contextmanager
def session(
    num_cpus: int | None, address: str | None, shared_bytes: int = 0, *, with_gpus: bool = False
) -> Iterator[int]:
    """Connect to a Ray cluster, or start a Ray, for the length of a block.

    A Ray that this process has started before is used, and left running.

    Parameters
    ----------
    num_cpus : int or None
        CPUs of a Ray that is started; None counts the machine's.
    address : str or None
        Address of a cluster. The environment's `RAY_ADDRESS` by default, and without one a Ray
        of its own is started.
    shared_bytes : int
        What will be put into the object store to stay; a Ray that is started makes room for it.
    with_gpus : bool
        Whether a Ray that is started needs GPUs; it then has those that torch finds.

    Yields
    ------
    int
        Number of CPUs, of the whole cluster.

    Raises
    ------
    RunError
        If the cluster cannot be reached or Ray not be started, or this machine lacks a GPU.
    """
    address = _address(address)
    with contextlib.ExitStack() as stack:
        stack.enter_context(environment(QUIET))
        if not ray.is_initialized():
            stack.callback(ray.shutdown)
            if address:
                _connect(address)
            else:
                if with_gpus:
                    require_gpu()
                scratch = _socket_dir()
                stack.callback(_remove, scratch)
                stack.enter_context(environment({"RAY_AUTH_TOKEN": _token(), **_loopback()}))
                stack.callback(ray.shutdown)
                _start(
                    num_cpus,
                    count_gpus() if with_gpus else None,
                    scratch,
                    _OBJECT_STORE_BYTES + shared_bytes,
                )
        yield count_cpus()


def is_cluster(address: str | None) -> bool:
    """Whether `session` connects to a cluster, by what it is given or by the environment."""
    return bool(_address(address))


def count_cpus() -> int:
    """CPUs of all the nodes that are alive."""
    return int(ray.cluster_resources().get("CPU", 1))


def nodes() -> list[dict[str, float]]:
    """What each node that is alive has, such as `CPU` and `GPU`."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _address(address: str | None) -> str | None:
    return address or os.environ.get("RAY_ADDRESS") or None


def _connect(address: str) -> None:
    if address.startswith("ray://"):
        raise RunError(
            f"{address}: a Ray client cannot tell what became of a run; start on the cluster, by "
            "`ray job submit`"
        )
    try:
        _knock(address)
        _init(address=address)
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(
            f"cannot reach the Ray cluster at {address} ({_first_line(error)}): check --address "
            "or RAY_ADDRESS, or use --backend local"
        ) from error


def _start(
    num_cpus: int | None, num_gpus: int | None, scratch: Path, object_store_bytes: int
) -> None:
    try:
        _init(
            address="local",
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            resources={SLOT: 1e6},
            include_dashboard=False,
            object_store_memory=object_store_bytes,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(scratch),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(
            f"cannot start Ray on this machine ({_first_line(error)}): --backend local needs none"
        ) from error


def _init(**options: Any) -> None:
    with silenced("ray._private"):
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@cache
def _token() -> str:
    """Return this process' token: Ray reads it once, and else writes one into the home folder.

    There it would change how every other Ray of this user authenticates.
    """
    return secrets.token_hex(32)


def _loopback() -> dict[str, str]:
    """Have groups of processes that train together talk over this machine's loopback."""
    names = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    return {"GLOO_SOCKET_IFNAME": names[0]} if names else {}


@contextlib.contextmanager
def environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set what is unset for the length of a block."""
    before = dict(os.environ)
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        # Ray sets RAY_AUTH_MODE, PYTHONBREAKPOINT and more by itself
        for name in os.environ.keys() - before.keys():
            if name in defaults or name.startswith(("RAY_", "TUNE_", "PYTHONBREAKPOINT")):
                del os.environ[name]


@contextlib.contextmanager
def silenced(*names: str) -> Iterator[None]:
    """Let only critical records of some loggers through: their news reach `on_done`."""
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _knock(address: str) -> None:
    """Raise OSError if nobody listens there; Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5.0):
            pass


def _remove(scratch: Path) -> None:
    """Remove Ray's folder; processes that are still ending may write a last line of log to it."""
    for _ in range(_REMOVAL_TRIES):
        shutil.rmtree(scratch, ignore_errors=True)
        if not scratch.exists():
            return
        time.sleep(0.1)


def _socket_dir() -> Path:
    root = tempfile.gettempdir()
    return Path(
        tempfile.mkdtemp(prefix="bg-ray-", dir=root if len(root) <= _MAX_SOCKET_DIR else "/tmp")
    )
