"""The commands on one workspace from the first one to success, with kills between."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from benchmarks.killing.comparison import Logged, logged_in
from benchmarks.killing.server import Server
from benchmarks.killing.setup import COMMAND, TITLES, Setup
from orchestrator.workspace import Workspace

AGENTS_SECONDS: Final = 120.0
"""How long Ray's agents of a killed command may live on: they try for a minute to tell somebody."""
MOST_SECONDS: Final = 3600.0
"""A command that takes longer is ended, and told as exit code 124."""
MOST_COMMANDS: Final = 4
"""Commands after the last kill, one of which must succeed."""
MARK: Final = "BINDGRID_KILLS"
"""Variable by which processes of a round are known, if they have lost their parents."""


@dataclass(kw_only=True)
class Kill:
    """One kill, and what came of it."""

    process: str
    signal: str
    at_seconds: float
    """Since the command was started."""
    exit_code: int | None = None
    """Of the command that was hit, or that used the server which was hit."""


class Attempt:
    """The commands on one workspace, and its MLflow server."""

    def __init__(self, setup: Setup, plan: str, place: Workspace) -> None:
        self._setup = setup
        self._words = setup.words(plan, place)
        self._place = place
        self._log = place.root.with_suffix(".log")
        self._scratch = place.root.with_suffix(".t")  # short: it has Ray's sockets
        self._command: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._seen: set[psutil.Process] = set()
        self._succeeded = False
        self._hits: list[Kill] = []
        """Of the command that runs."""
        self.kills: list[Kill] = []
        self.seconds = 0.0
        """Of the commands, waiting for stopped processes not counted."""
        self.left_seconds = 0.0
        """How long processes of the last command lived on after it."""
        self.differences: list[str] = []
        self.logged: Logged = Logged()
        self._server = Server(setup, place.root.with_suffix(".mlflow"))
        for path in (place.root, self._scratch):
            shutil.rmtree(path, ignore_errors=True)
        self._scratch.mkdir()
        shutil.copytree(setup.folder / "start", place.root)

    def kill(self, process: str, name: str, after_seconds: float) -> None:
        """Send a signal to a process, some time after the last signal and after it has begun.

        A command that has failed is given again; nothing is killed once it has succeeded, or if it
        ends before there is such a process.
        """
        if self._succeeded or (found := self._wait_for(process, after_seconds)) is None:
            return
        now = time.monotonic()
        hit = Kill(process=process, signal=name, at_seconds=round(now - self._began, 1))
        self._hits.append(hit)
        self.kills.append(hit)
        self._send(found, process, name)
        if name == "SIGSTOP":
            while time.monotonic() - now < self._setup.options.pause and self._runs():
                time.sleep(0.2)
            self.seconds -= time.monotonic() - now
            self._send(found, process, "SIGCONT")

    def finish(self) -> None:
        """Give the command until it succeeds, log what MLflow lacks, and look what is left."""
        for _ in range(MOST_COMMANDS):
            if self._succeeded:
                break
            if self._command is None:
                self._begin()
            self._succeeded = self._end() == 0
        else:
            self.differences.append(f"the command failed {MOST_COMMANDS} times")
        seconds = self.seconds
        self._begin(["mlflow", "sync", "-w", str(self._place.root)])
        self._end()
        self.seconds = seconds
        self._server.stop()
        self.logged = logged_in(self._server.backend, self._place.root)
        self._find_left()

    def _find_left(self) -> None:
        """Wait for processes that live on, and look what they left in the temporary folder."""
        began = time.monotonic()
        _, alive = psutil.wait_procs(self._seen | self._marked(), timeout=AGENTS_SECONDS)
        self.left_seconds = round(time.monotonic() - began, 1)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    words = " ".join(process.cmdline())[:100]
                    self.differences.append(f"a process lives: {words}")
                    process.kill()
        names = sorted(path.name[:10] for path in self._scratch.iterdir())
        self.differences += [f"{name}... is left in the temporary folder" for name in names]
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _begin(self, words: Sequence[str] = ()) -> None:
        self._server.start()
        self._server.wait()
        own = {"MLFLOW_TRACKING_URI": self._server.address, "TMPDIR": str(self._scratch)}
        own[MARK] = str(self._place.root)
        self._command = self._setup.start([*COMMAND, *(words or self._words)], self._log, **own)
        self._began = time.monotonic()

    def _runs(self) -> bool:
        """Look whether the command runs; keep in mind its processes, and MLflow's server up."""
        if self._command is None or self._command.poll() is not None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            self._seen |= set(psutil.Process(self._command.pid).children(recursive=True))
        self._server.start()
        return True

    def _end(self) -> int:
        """Wait until the command ends; its exit code."""
        assert self._command is not None
        while self._runs():
            if time.monotonic() - self._began > MOST_SECONDS:
                os.killpg(self._command.pid, signal.SIGKILL)
                self.differences.append(f"a command took longer than {MOST_SECONDS:.0f} s")
            time.sleep(0.2)
        self.seconds += time.monotonic() - self._began
        code = int(self._command.wait())
        if code and not self._hits:
            self.differences.append(f"a command that was not hit ends with {code}")
        for hit in self._hits:
            hit.exit_code = code
        self._hits, self._command = [], None
        return code

    def _wait_for(self, process: str, after_seconds: float) -> psutil.Process | None:
        """Wait some time, and for a process; None if the command succeeds before it is there."""
        for _ in range(MOST_COMMANDS):
            if self._command is None:
                self._begin()
            since: float | None = None
            while self._runs():
                found = self._find(process)
                if found is not None and since is None:
                    since = time.monotonic()
                if found and since is not None and time.monotonic() - since > after_seconds:
                    return found
                time.sleep(0.2)
            if self._end() == 0:
                self._succeeded = True
                break
        return None

    def _find(self, process: str) -> psutil.Process | None:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process == "driver" and self._command is not None:
                return psutil.Process(self._command.pid)
            if process == "MLflow":
                return None if self._server.pid is None else psutil.Process(self._server.pid)
        for one in sorted(self._seen, key=lambda one: one.pid):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if TITLES[process] in " ".join([*one.cmdline(), ""]):
                    return one
        return None

    def _send(self, found: psutil.Process, process: str, name: str) -> None:
        if process == "MLflow":
            self._server.send(name)
            return
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            found.send_signal(getattr(signal, name))

    def _marked(self) -> set[psutil.Process]:
        """Find processes of this round that were never seen, by a variable that they inherit."""
        marked = set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == str(self._place.root):
                    marked.add(process)
        return marked
