"""One driver at a time in a workspace; the lock goes with the process, however that ends."""

import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from orchestrator.errors import RunError
from orchestrator.workspace import Workspace


@contextmanager
def sole_driver(workspace: Workspace) -> Iterator[None]:
    """Hold the workspace for a block, and clear away what a killed driver left half-written.

    Raises
    ------
    RunError
        If another process holds it; names that process.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    with workspace.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"{workspace.root} is in use by {_holder(workspace)}; wait for it, or stop it"
            ) from None
        file.truncate(0)
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().isoformat(" ", timespec="seconds"),
            "command": " ".join(sys.argv)[:200],
        }
        file.write(json.dumps(holder))
        file.flush()
        for leftover in workspace.runs.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _holder(workspace: Workspace) -> str:
    try:
        holder = json.loads(workspace.lock.read_text())
    except (OSError, ValueError):
        return "another process"
    return "process {pid} on {host} since {since} ({command})".format(**holder)
