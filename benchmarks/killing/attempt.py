"""The commands on one workspace from the first one to success, with kills between."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.cluster_faults import free_port, listens, wait_until
from benchmarks.killing.comparison import Logged, counted
from benchmarks.killing.setup import Setup
from orchestrator.workspace import Workspace

TITLES: Final = {
    "driver": "",
    "Tune's worker": "ray::RunTrainable",
    "Train's worker": "ray::RayTrainWorker",
    "raylet": "raylet/raylet ",
    "GCS": "gcs_server ",
    "MLflow": "",
}
"""Processes that are killed, and what their command line has."""
AGENTS_SECONDS: Final = 120.0
"""How long Ray's agents of a killed command may live on: they try for a minute to tell somebody."""
MOST_SECONDS: Final = 3600.0
"""A command that takes longer is ended, and told as exit code 124."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill, and what came of it."""

    process: str
    signal: str
    at_seconds: float
    """Since the command was started."""
    exit_code: int
    """Of the command that was hit, or that used the server which was hit."""


class Attempt:
    """The commands on one workspace, and its MLflow server."""

    def __init__(self, setup: Setup, plan: str, place: Workspace) -> None:
        self._setup = setup
        self._words = setup.words(plan, place)
        self._place = place
        self._log = place.root.with_suffix(".log")
        self._backend = place.root.with_suffix(".mlflow")
        shutil.rmtree(self._backend, ignore_errors=True)
        self._backend.mkdir()
        self._port = free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._command: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()
        self.seconds = 0.0
        self.differences: list[str] = []
        self.logged: Logged = Logged()
        shutil.copytree(setup.folder / "start", place.root)

    def kill(self, process: str, name: str, at_seconds: float) -> Kill | None:
        """Start the command if it does not run, and send a signal at a moment after that.

        Gives None if the command ended before the process was there.
        """
        began = self._begin()
        while time.monotonic() - began < at_seconds and self._running().poll() is None:
            self._look()
            time.sleep(0.1)
        found: psutil.Process | None = None
        while self._running().poll() is None and found is None:
            time.sleep(0.05)
            self._look()
            found = self._find(process)
        if found is None:
            self._end(began)
            return None
        at = time.monotonic() - began
        stopped = 0.0
        self._send(found, process, name)
        if name == "SIGSTOP":
            stopped = self._setup.options.pause
            time.sleep(stopped)
            self._send(found, process, "SIGCONT")
        code = self._end(began)
        self.seconds -= stopped
        return Kill(process=process, signal=name, at_seconds=round(at, 1), exit_code=code)

    def finish(self) -> None:
        """Give the command until it succeeds, log what MLflow lacks, and look what is left."""
        for _ in range(3):
            if self._command is not None and self._command.returncode == 0:
                break
            self._end(self._begin())
        if self._running().returncode:
            self.differences.append(f"the command ends with {self._running().returncode}")
        sync = ["mlflow", "sync", "-w", str(self._place.root)]
        began = self._begin(sync)
        if code := self._end(began, counted=False):
            self.differences.append(f"mlflow sync ends with {code}")
        self.logged = self._in_mlflow()
        self._stop_server()
        _, alive = psutil.wait_procs(self._seen, timeout=AGENTS_SECONDS)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    words = " ".join(process.cmdline())[:100]
                    self.differences.append(f"a process lives: {words}")
                    process.kill()

    def _begin(self, words: Sequence[str] = ()) -> float:
        self._serve()
        program = [sys.executable, "-m", "experiments.cli.main"]
        address = f"http://127.0.0.1:{self._port}"
        self._command = self._setup.start(
            [*program, *(words or self._words)], self._log, MLFLOW_TRACKING_URI=address
        )
        return time.monotonic()

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._command is not None
        return self._command

    def _end(self, began: float, *, counted: bool = True) -> int:
        """Wait until the command ends; its exit code."""
        command = self._running()
        while command.poll() is None:
            self._look()
            if self._server is not None and self._server.poll() is not None:
                self._serve()
            if time.monotonic() - began > MOST_SECONDS:
                os.killpg(command.pid, signal.SIGKILL)
                command.wait()
                self.differences.append(f"a command took longer than {MOST_SECONDS:.0f} s")
                return 124
            time.sleep(0.2)
        if counted:
            self.seconds += time.monotonic() - began
        return int(command.returncode)

    def _look(self) -> None:
        """Keep in mind which processes the command has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen |= set(psutil.Process(self._running().pid).children(recursive=True))

    def _find(self, process: str) -> psutil.Process | None:
        if process == "driver":
            return psutil.Process(self._running().pid)
        if process == "MLflow":
            return psutil.Process(self._server.pid) if self._server else None
        for one in sorted(self._seen, key=lambda one: one.pid):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if TITLES[process] in " ".join([*one.cmdline(), ""]):
                    return one
        return None

    def _send(self, found: psutil.Process, process: str, name: str) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process == "MLflow":  # several processes, of which the first does not answer itself
                os.killpg(found.pid, getattr(signal, name))
            else:
                found.send_signal(getattr(signal, name))

    def _serve(self) -> None:
        """Start MLflow's server, if it does not run."""
        if self._server is not None and self._server.poll() is None:
            return
        self._stop_server()
        words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
        words += ["--port", str(self._port), "--artifacts-destination", str(self._backend / "a")]
        words += ["--backend-store-uri", f"sqlite:///{self._backend / 'mlflow.db'}"]
        self._server = self._setup.start(words, self._backend / "log")
        wait_until(lambda: listens(self._port), f"MLflow, see {self._backend / 'log'}")

    def _stop_server(self) -> None:
        """End the server, and what a killed one has left of its processes."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def _in_mlflow(self) -> Logged:
        """Experiment, name and status of each MLflow run, in the file that the server kept."""
        words = [sys.executable, "-m", "benchmarks.killing.comparison"]
        uri = f"http://127.0.0.1:{self._port}"
        done = subprocess.run(
            [*words, uri],
            env=self._setup.environment,
            cwd=self._setup.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return counted(json.loads(done.stdout.splitlines()[-1]))
