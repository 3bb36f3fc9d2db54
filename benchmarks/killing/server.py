"""MLflow's server of a round: started again when it has ended, on tables that are made once."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.cluster_faults import free_port, listens, wait_until
from benchmarks.killing.setup import Setup
from orchestrator.tracking import database
from orchestrator.workspace import Workspace

STARTING_SECONDS: Final = 90.0
"""How long a server may take until it listens."""


class Server:
    """A server with a folder of its own.

    Parameters
    ----------
    setup
        Where the empty tables are, or are made.
    backend
        Folder of its database and artifacts, made anew.
    """

    def __init__(self, setup: Setup, backend: Path) -> None:
        self._setup = setup
        self.backend = backend
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        empty = Workspace(setup.folder / "mlflow-empty")
        database.create_database(empty)
        shutil.rmtree(backend, ignore_errors=True)
        backend.mkdir()
        shutil.copy(empty.mlflow_db, backend)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of the process that leads the server's group; None if it does not run."""
        ended = self._process is None or self._process.poll() is not None
        return None if ended or self._process is None else self._process.pid

    def start(self) -> None:
        """Start the server, if it does not run; its first process can outlive what listens."""
        is_starting = time.monotonic() - self._began < STARTING_SECONDS
        if self.pid is not None and (is_starting or listens(self._port)):
            return
        self.stop()
        self._began = time.monotonic()
        words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
        words += ["--port", str(self._port), "--artifacts-destination", str(self.backend / "a")]
        words += ["--backend-store-uri", f"sqlite:///{self.backend / 'mlflow.db'}"]
        self._process = self._setup.start(words, self.backend / "log")

    def wait(self) -> None:
        """Wait until the server answers; it is started again where that takes too long."""

        def answers() -> bool:
            self.start()
            return listens(self._port)

        wait_until(answers, f"MLflow, see {self.backend / 'log'}")

    def send(self, name: str) -> None:
        """Send a signal to all its processes: the first of them does not answer itself."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, getattr(signal, name))

    def stop(self) -> None:
        """End the server, and what a killed one has left of its processes."""
        self.send("SIGKILL")
        if self._process is not None:
            self._process.wait()
            self._process = None
