"""Ray as this program uses it: quiet, private, and stopped at the end.

A private Ray listens on this machine only, as far as Ray allows it (its control store and raylet
listen on all interfaces), and authenticates by a token that only this process has. Groups of
processes that train together communicate over the loopback interface; torch's rendezvous for them
listens on all interfaces too.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import ray

from data.temporary import SHORT_PREFIX, SHORT_ROOT, locked_folder, remove
from orchestrator.errors import RunError
from orchestrator.gpus import count_gpus, require_gpu

# Defaults; what the user has set is left as it is.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # on a busy machine a worker needs longer than Ray's 60 s, and Ray then starts another one; but
    # as long as this a worker that was killed while it started is not missed
    "RAY_worker_register_timeout_seconds": "180",
    # relative paths mean the same in a worker and in the command that was typed
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    # bindgrid handles Ctrl-C itself: Tune's handler waits for trials, which take minutes
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000",
    # Tune's state is never read, so it is written once and not every ten seconds
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}

_OBJECT_STORE_BYTES = 128 * 2**20
"""Room for plans and outcomes, beside what a caller shares; Ray's minimum is 75 MB."""

SLOT = "bindgrid_group_worker"
"""Resource of a private Ray, practically unlimited: a worker of a group takes one."""

_MAX_SCRATCH_ROOT = 27
"""Longest path (characters) of the folder that Ray's folder is made in: Unix allows 107 for a
socket, Ray's names take up to 64 of them, and that of its folder 16."""

_PARTS = ("gcs_server", "raylet")
"""Names of the processes of a private Ray without which it cannot go on."""

_START_ATTEMPTS = 3
"""On a busy machine Ray's processes may need longer than the 30 s that Ray waits for them."""


@contextlib.contextmanager
def session(
    num_cpus: int | None, address: str | None, shared_bytes: int = 0, *, with_gpus: bool = False
) -> Iterator[int]:
    """Connect to a Ray cluster, or start a Ray, for the duration of a block.

    If this process has already started Ray, that one is used and left running.

    Parameters
    ----------
    num_cpus : int or None
        CPUs of a Ray that is started; None takes all of the machine.
    address : str or None
        Address of a cluster. None takes that in the environment's `RAY_ADDRESS`, and without one a
        private Ray is started.
    shared_bytes : int
        Bytes that will stay in the object store, 0 by default; a Ray that is started has room for
        them.
    with_gpus : bool
        Whether a Ray that is started has the GPUs that torch finds; by default it has none.

    Yields
    ------
    int
        Number of CPUs of the whole cluster.

    Raises
    ------
    RunError
        If the cluster cannot be reached, Ray cannot be started, or this machine lacks a GPU.
    """
    address = _address(address)
    with contextlib.ExitStack() as stack:
        stack.enter_context(environment(QUIET))
        if not ray.is_initialized():
            stack.callback(_shut_down)
            if address:
                _connect(address)
            else:
                if with_gpus:
                    require_gpu()
                scratch = stack.enter_context(locked_folder(SHORT_PREFIX, _scratch_root()))
                stack.enter_context(environment({"RAY_AUTH_TOKEN": _token(), **_loopback()}))
                stack.callback(_shut_down)
                _start(
                    num_cpus,
                    count_gpus() if with_gpus else None,
                    scratch,
                    _OBJECT_STORE_BYTES + shared_bytes,
                )
                stack.enter_context(_watched(scratch))
        yield count_cpus()


def _scratch_root() -> Path:
    """Where the folder of Ray's sockets and logs is made."""
    root = Path(tempfile.gettempdir())
    return root if len(str(root)) <= _MAX_SCRATCH_ROOT else SHORT_ROOT


def _shut_down() -> None:
    """Stop Ray, or leave a cluster, while no thread can free an object of Ray's.

    For a moment of `ray.shutdown` Ray ends the whole process if that happens. The collector of
    cycles frees such objects in whatever thread it runs, such as the one that logs to MLflow.
    """
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if was_enabled:
            gc.enable()


def is_cluster(address: str | None) -> bool:
    """Whether `session` connects to a cluster, as the address or the environment says."""
    return bool(_address(address))


def count_cpus() -> int:
    """Count the CPUs of all nodes that are alive."""
    return int(ray.cluster_resources().get("CPU", 1))


def nodes() -> list[dict[str, float]]:
    """Give the resources of each node that is alive, such as `CPU` and `GPU`."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _address(address: str | None) -> str | None:
    return address or os.environ.get("RAY_ADDRESS") or None


def _connect(address: str) -> None:
    if address.startswith("ray://"):
        raise RunError(
            f"{address}: a Ray client cannot tell how a run ended; start on the cluster, by "
            "`ray job submit`"
        )
    try:
        _check_listening(address)
        _init(address=address)
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(
            f"cannot reach the Ray cluster at {address} ({_first_line(error)}): check --address "
            "or RAY_ADDRESS, or use --backend local"
        ) from error


def _start(
    num_cpus: int | None, num_gpus: int | None, scratch: Path, object_store_bytes: int
) -> None:
    for attempt in range(1, _START_ATTEMPTS + 1):
        before = _children()
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
            raise _cannot_start(_first_line(error)) from error
        except Exception as error:
            if type(error) is not Exception:  # what Ray raises if its processes take over 30 s
                raise
            _end(_children() - before)
            if attempt == _START_ATTEMPTS:
                raise _cannot_start("it is too busy, try again later") from error
        else:
            return


def _cannot_start(reason: str) -> RunError:
    return RunError(f"cannot start Ray on this machine ({reason}): --backend local needs none")


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _end(processes: set[psutil.Process]) -> None:
    """End processes of a Ray that has failed to start, or has failed."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _init(**options: Any) -> None:
    with silenced("ray._private"):
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@cache
def _token() -> str:
    """Make this process's token, which Ray reads once.

    Without one Ray writes a token to the home folder, where it would change how every other Ray of
    this user authenticates.
    """
    return secrets.token_hex(32)


def _loopback() -> dict[str, str]:
    """Set that processes that train together communicate over this machine's loopback."""
    names = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    variables = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    return dict.fromkeys(variables, names[0]) if names else {}


@contextlib.contextmanager
def environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that are unset, for the duration of a block."""
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
    """Silence all but critical records of some loggers; failures are reported by `on_done`."""
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _check_listening(address: str) -> None:
    """Raise OSError if nothing listens at an address; Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5.0):
            pass


@contextlib.contextmanager
def _watched(scratch: Path) -> Iterator[None]:
    """End this process if a part of its private Ray ends during a block, and say so in one line.

    Ray itself would wait for a minute, in which nothing goes on, and then end this process without
    a word. Nothing can be asked of Ray any more, so that nothing is shut down either.
    """
    parts = [one for one in psutil.Process().children() if one.name() in _PARTS]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(1.0):
            lost = [one for one in parts if not one.is_running() or _is_zombie(one)]
            if lost and not is_over.is_set():
                _give_up(scratch)

    thread = threading.Thread(target=watch, name="ray-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _give_up(scratch: Path) -> None:
    cursor = "\033[?25h\n" if sys.stderr.isatty() else ""  # which a progress bar hides
    sys.stderr.write(
        f"{cursor}bindgrid: a process of Ray on this machine has ended (killed, or out of memory); "
        "what is complete is kept, the same command resumes the plan\n"
    )
    sys.stderr.flush()
    _end(_children())
    remove(scratch)
    os._exit(1)
