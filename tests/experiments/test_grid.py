import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.runs.store import RunStore

pytestmark = pytest.mark.xdist_group("ray")

ROOT = Path(__file__).parents[2]
GRID = ROOT / "experiments" / "grid.py"
ARGUMENTS = ["transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--dry-run", "--json"]


def grid(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the file by its path from another folder, as a job does."""
    environment = {n: v for n, v in os.environ.items() if n != "BINDGRID_WORKSPACE"}
    chosen = ("--precision", "float32")  # or the machine would be measured
    command = [sys.executable, str(GRID), *ARGUMENTS, *chosen, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_job_takes_the_arguments_of_run(workspace, tmp_path):
    done = grid(tmp_path, "--workspace", str(workspace.root))
    assert done.returncode == 0, done.stderr
    arms = [run["arm"] for run in json.loads(done.stdout)["runs"]]
    assert arms == ["multi", "scratch", "transfer"]


@pytest.mark.parametrize("arguments", [[], ["--workspace", "workspace"], ["-w", "workspace"]])
def test_a_workspace_that_would_vanish_with_the_job_is_refused(workspace, arguments):
    done = grid(workspace.root.parent, *arguments)
    assert done.returncode == 2
    assert "pass --workspace with an absolute path" in done.stderr
    assert done.stderr.count("\n") == 1


@dataclass(frozen=True)
class Head:
    """A Ray of one node, started as the README says, on ports of its own."""

    url: str
    folder: Path
    environment: dict[str, str]

    def ray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ray", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def submit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Submit a job as soon as the node's agent, which starts last, takes one."""
        until = time.monotonic() + 90
        while True:
            done = self.ray("job", "submit", "--address", self.url, *arguments)
            if "No available agent" not in done.stdout + done.stderr or time.monotonic() > until:
                return done

    def is_up(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/api/version", timeout=5).close()
        except urllib.error.HTTPError:
            return True  # it wants to see the token
        except OSError:
            return False
        return True

    def processes(self) -> list[str]:
        """Command lines of what runs in the folder."""
        lines = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return [line for line in lines if f"{self.folder}/" in line]


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def head() -> Iterator[Head]:
    # Ray's sockets need a short path
    folder = Path(tempfile.mkdtemp(prefix="g-", dir="/tmp"))
    foreign = ("RAY_", "MLFLOW_", "BINDGRID_", "PYTHONPATH")
    environment = {name: v for name, v in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    names = (
        "port",
        "dashboard-port",
        "dashboard-agent-listen-port",
        "dashboard-agent-grpc-port",
        "runtime-env-agent-port",
        "metrics-export-port",
        "ray-client-server-port",
    )
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    url = f"http://127.0.0.1:{ports['dashboard-port']}"
    made = Head(url=url, folder=folder, environment=environment)
    assert made.ray("get-auth-token", "--generate").returncode == 0
    options = [f"--{name}={port}" for name, port in ports.items()]
    options += ["--dashboard-host=127.0.0.1", "--num-cpus=2", "--disable-usage-stats"]
    options += ["--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={folder}/ray"]
    log = folder / "start.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["ray", "start", "--head", "--block", *options],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 90
        while not made.is_up():
            if process.poll() is not None:
                pytest.skip(f"Ray with a dashboard does not start here: {log.read_text()[-300:]}")
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield made
    finally:
        # not `ray stop`, which stops every Ray of this user
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until = time.monotonic() + 30
        while made.processes() and time.monotonic() < until:
            time.sleep(0.2)
        assert not made.processes()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_plan_runs_as_a_job(head, workspace):
    submitted = head.submit(
        *("--working-dir", ".", "--"),
        *("python", "experiments/grid.py", *ARGUMENTS[:-2], "--workspace", str(workspace.root)),
        *("--pretrain-epochs", "1", "--epochs", "1"),
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "3 runs, 0 complete already" in submitted.stdout
    assert "2 Ray workers up" in submitted.stdout
    assert [run.planned.arm for run in RunStore(workspace).completed()].count("multi") == 1
    assert len(RunStore(workspace).completed()) == 3
    copies = head.folder.glob("ray/session_2*/runtime_resources/working_dir_files/*")
    [travelled] = [path for path in copies if path.is_dir()]
    there = {path.name for path in travelled.iterdir()}
    assert {"data", "experiments", "model", "orchestrator"} <= there
    assert not there & {".git", ".venv", "demo", "workspace"}

    job = submitted.stdout.partition("Job '")[2].partition("'")[0]
    status = head.ray("job", "status", "--address", head.url, job)
    assert "succeeded" in status.stdout.lower()
