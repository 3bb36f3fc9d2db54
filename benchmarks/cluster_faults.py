"""What happens to a plan when part of a cluster breaks: each fault, and the table afterwards.

    python -m benchmarks.cluster_faults --workspace DIR [--faults NAMES] [--workers 16] [--pause 60]

A cluster of two nodes is started on this machine by `ray start`, with as many logical workers, and
`bindgrid run` is told to use it. In the middle of the plan one thing breaks:

- *head*: the head node is killed, a new cluster is started, and the same command is given again;
- *node*: the other node is killed, and a new one is added;
- *mlflow*: MLflow's server is stopped for `--pause` seconds; `bindgrid mlflow sync` follows;
- *postgresql*: the same with the database behind it, where PostgreSQL is installed;
- *memory*: before the plan begins, other objects fill the object stores of both nodes;
- *code*: before the plan begins, one node has another version of bindgrid;
- *workspace*: before the plan begins, one node does not see the workspace (needs `unshare`).

The last two must be reported at the start, and nothing may run. After the others, the table of
results must be that of the same plan run by `--backend local`, to the bit.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.machine import Row, describe, table
from orchestrator.runs.results import results_table
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace

ROOT: Final = Path(__file__).parents[1]
HEADER: Final = ("fault", "complete then", "exit codes", "seconds", "what was told", "same table")
STORE_BYTES: Final = 80 * 2**20
"""Size of a node's object store: hardly more than Ray's minimum."""
START_SECONDS: Final = 600.0


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe() + "\n", flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bg-", dir="/tmp") as folder:
        bench = Bench(Path(folder), options)
        names = options.faults.split(",")
        expected = pd.DataFrame() if REFUSED.issuperset(names) else bench.undisturbed()
        for name in names:
            made = FAULTS[name](bench, expected)
            rows.append(made)
            print(" | ".join(made), flush=True)
    print("\n" + table(HEADER, rows))
    return rows


def bare_environment(home: Path) -> dict[str, str]:
    """Variables of a command of this checkout, without the caller's own settings."""
    foreign = ("RAY_", "TUNE_", "MLFLOW_", "BINDGRID_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "RAY_worker_niceness": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


class Bench:
    """Where faults are tried: a folder, a dataset, and what plan is run.

    Parameters
    ----------
    folder
        Empty, with a path short enough for Ray's sockets.
    options
        As typed.
    """

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options
        self.dataset = Workspace(options.workspace).dataset.absolute()
        self.environment = {
            **bare_environment(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            # as for a Ray that bindgrid starts: two cores start 16 workers
            "RAY_worker_register_timeout_seconds": "600",
            "OMP_NUM_THREADS": "1",
            # a lost head is given up after this time; the default is 60 s
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(int(min(60, options.pause))),
        }

    def workspace(self, name: str) -> Workspace:
        """Make a workspace with the dataset and nothing else."""
        place = Workspace(self.folder / name)
        place.root.mkdir()
        place.dataset.symlink_to(self.dataset)
        return place

    def undisturbed(self) -> pd.DataFrame:
        """Run the plan without a cluster; its table of results."""
        place = self.workspace("undisturbed")
        done = self.bindgrid(place, *self.plan(), "--backend", "local").wait()
        if done:
            raise RuntimeError(f"the plan fails without any fault: {self.told(place)}")
        return results(place)

    def plan(self) -> list[str]:
        """Arguments of the plan."""
        return ["run", "transfer", *self.options.plan.split()]

    def bindgrid(self, place: Workspace, *arguments: str, mlflow: str = "") -> "Started":
        """Start a command; what it says goes to a file beside the workspace."""
        # nothing listens there: the plan continues without MLflow
        own = {"MLFLOW_TRACKING_URI": mlflow or "http://127.0.0.1:1"}
        program = "benchmarks.killing.command" if self.options.small else "experiments.cli.main"
        words = [sys.executable, "-m", program, *arguments]
        return self.start([*words, "-w", str(place.root)], self._log(place), own)

    def told(self, place: Workspace) -> str:
        """Last line of bindgrid's own that the commands on a workspace said."""
        lines = [line for line in self._log(place).read_text().splitlines() if "bindgrid: " in line]
        return lines[-1].partition("bindgrid: ")[2] if lines else ""

    def start(self, words: Sequence[str], log: Path, own: Mapping[str, str]) -> "Started":
        """Start a process that leads a group, so that all that it starts can be killed."""
        with log.open("ab") as file:
            process = subprocess.Popen(
                words,
                env={**self.environment, **own},
                cwd=self.folder,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        return Started(process)

    def _log(self, place: Workspace) -> Path:
        return place.root.with_suffix(".log")


@dataclass(frozen=True)
class Started:
    """A process and those that it has started."""

    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End all of them at once, like a machine that loses its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float = 600.0) -> int:
        """Wait for its end; its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return 124


@dataclass
class Cluster:
    """A head node, and others, of half of the workers each."""

    bench: Bench
    port: int = field(default_factory=lambda: free_port())
    nodes: list[Started] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the head listens."""
        return f"127.0.0.1:{self.port}"

    def add(self, *before: str, **own: str) -> Started:
        """Start a node, the first one as head, by a command before it; wait until it is there."""
        scratch = Path(tempfile.mkdtemp(prefix="r", dir=self.bench.folder))
        where = ["--address", self.address]
        if not self.nodes:
            where = ["--head", "--port", str(self.port), "--include-dashboard", "false"]
        words = [
            *before,
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *where),
            *("--num-cpus", str(max(1, self.bench.options.workers // 2)), "--node-ip-address"),
            *("127.0.0.1", "--object-store-memory", str(STORE_BYTES)),
        ]
        if not self.nodes:
            words += ["--temp-dir", str(scratch)]
        node = self.bench.start(words, scratch / "start.log", own)
        self.nodes.append(node)
        self._wait_for_node(scratch / "start.log")
        return node

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()

    def _wait_for_node(self, log: Path) -> None:
        wait_until(lambda: "Ray runtime started" in log.read_text(), f"node, see {log}")
        time.sleep(3.0)  # until the head knows its resources


@contextmanager
def two_nodes(bench: Bench, *before: str, **own: str) -> Iterator[Cluster]:
    """Give a cluster of two nodes; the arguments are those of the second one (`Cluster.add`)."""
    cluster = Cluster(bench)
    try:
        cluster.add()
        cluster.add(*before, **own)
        yield cluster
    finally:
        cluster.stop()


def head_lost(bench: Bench, expected: pd.DataFrame) -> Row:
    """Kill the head in the middle of the plan, and give the command again on a new cluster."""
    place = bench.workspace("head")
    began = time.perf_counter()
    with two_nodes(bench) as cluster:
        driver = bench.bindgrid(place, *bench.plan(), "--address", cluster.address)
        complete = middle(place)
        cluster.nodes[0].kill()
        codes = [driver.wait()]
        told = bench.told(place)
        driver.kill()
    with two_nodes(bench) as cluster:
        again = bench.bindgrid(place, *bench.plan(), "--address", cluster.address)
        codes.append(again.wait())
    return ended("head", place, expected, began, complete=complete, codes=codes, told=told)


def node_lost(bench: Bench, expected: pd.DataFrame) -> Row:
    """Kill a node in the middle of the plan, and add another one."""
    place = bench.workspace("node")
    began = time.perf_counter()
    with two_nodes(bench) as cluster:
        driver = bench.bindgrid(place, *bench.plan(), "--address", cluster.address)
        complete = middle(place)
        cluster.nodes[1].kill()
        cluster.add()
        codes = [driver.wait()]
    told = bench.told(place)
    return ended("node", place, expected, began, complete=complete, codes=codes, told=told)


def mlflow_stopped(bench: Bench, expected: pd.DataFrame) -> Row:
    """Stop MLflow's server for a while."""
    store = f"sqlite:///{bench.folder / 'mlflow.db'}"
    with server(bench, store) as (address, restart):
        return _without_mlflow(bench, expected, "mlflow", address, restart)


def postgresql_stopped(bench: Bench, expected: pd.DataFrame) -> Row:
    """Stop the database behind MLflow's server for a while."""
    program = shutil.which("pg_ctl") or next(
        map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), ""
    )
    if not program:
        return ("postgresql", *["not installed"] * (len(HEADER) - 1))
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    port = free_port()

    def control(*words: str) -> None:
        command = [*as_user, program, "-D", str(folder / "data"), "-w", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def restart(pause: float) -> None:
        control("-m", "fast", "stop")
        time.sleep(pause)
        control("-o", settings, "-l", str(folder / "log"), "start")

    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if as_user:
            shutil.chown(folder, "postgres")
        control("-o", "-A trust -U bench", "initdb")
        control("-o", settings, "-l", str(folder / "log"), "start")
        stack.callback(control, "-m", "fast", "stop")
        database = f"postgresql://bench@127.0.0.1:{port}/postgres"
        address, _ = stack.enter_context(server(bench, database))
        return _without_mlflow(bench, expected, "postgresql", address, restart)


def _without_mlflow(
    bench: Bench,
    expected: pd.DataFrame,
    name: str,
    address: str,
    restart: Callable[[float], None],
) -> Row:
    place = bench.workspace(name)
    began = time.perf_counter()
    with two_nodes(bench) as cluster:
        run = (*bench.plan(), "--address", cluster.address)
        driver = bench.bindgrid(place, *run, mlflow=address)
        complete = middle(place)
        restart(bench.options.pause)
        codes = [driver.wait()]
    codes.append(bench.bindgrid(place, "mlflow", "sync", mlflow=address).wait())
    told = f"{num_logged(address)} of {len(expected)} runs in MLflow"
    return ended(name, place, expected, began, complete=complete, codes=codes, told=told)


def memory_full(bench: Bench, expected: pd.DataFrame) -> Row:
    """Fill the object stores of both nodes before the plan begins."""
    place = bench.workspace("memory")
    began = time.perf_counter()
    with two_nodes(bench) as cluster:
        log = bench.folder / "filler.log"
        own = {"RAY_ADDRESS": cluster.address}
        filler = bench.start([sys.executable, "-c", _FILLER, str(STORE_BYTES)], log, own)
        wait_until(lambda: log.exists() and "filled" in log.read_text(), f"filler, see {log}")
        driver = bench.bindgrid(place, *bench.plan(), "--address", cluster.address)
        codes = [driver.wait()]
        filler.kill()
    told = bench.told(place)
    return ended("memory", place, expected, began, complete=0, codes=codes, told=told)


def other_code(bench: Bench, expected: pd.DataFrame) -> Row:
    """Give one node another version of bindgrid."""
    copy = bench.folder / "other"
    for part in ("data", "model", "orchestrator", "experiments"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    changed = copy / "model" / "metrics.py"
    changed.write_text(changed.read_text() + "\n# another version\n")
    return _refused(bench, "code", PYTHONPATH=str(copy))


def workspace_unseen(bench: Bench, expected: pd.DataFrame) -> Row:
    """Hide the workspace from one node."""
    probe = ["unshare", "--mount", "true"]
    if not shutil.which("unshare") or subprocess.run(probe, check=False).returncode:
        return ("workspace", *["not possible here"] * (len(HEADER) - 1))
    hidden = bench.folder / "workspace"
    script = f'mount -t tmpfs none {hidden} && exec "$@"'
    hidden.mkdir()
    hidden.rmdir()
    return _refused(bench, "workspace", "unshare", "--mount", "sh", "-c", script, "sh")


def _refused(bench: Bench, name: str, *before: str, **own: str) -> Row:
    place = bench.workspace(name)
    began = time.perf_counter()
    with two_nodes(bench, *before, **own) as cluster:
        driver = bench.bindgrid(place, *bench.plan(), "--address", cluster.address)
        codes = [driver.wait()]
    told = bench.told(place)
    same = "nothing was run" if not num_complete(place) else "RUNS WERE RUN"
    seconds = f"{time.perf_counter() - began:.0f}"
    return name, "0", _joined(codes), seconds, told, same


FAULTS: Final[dict[str, Callable[[Bench, pd.DataFrame], Row]]] = {
    "head": head_lost,
    "node": node_lost,
    "mlflow": mlflow_stopped,
    "postgresql": postgresql_stopped,
    "memory": memory_full,
    "code": other_code,
    "workspace": workspace_unseen,
}

REFUSED: Final = {"code", "workspace"}
"""Faults with which nothing may run."""

_FILLER: Final = """
import sys, time
import numpy, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Here
ray.init(log_to_driver=False)
size = int(sys.argv[1]) // 3
make = ray.remote(lambda: numpy.ones(size, dtype=numpy.uint8))
held = [
    make.options(num_cpus=0, scheduling_strategy=Here(node["NodeID"], soft=False)).remote()
    for node in ray.nodes() for _ in range(3)
]
ray.wait(held, num_returns=len(held), fetch_local=False)
print("filled", flush=True)
time.sleep(3600)
"""


@contextmanager
def server(bench: Bench, store: str) -> Iterator[tuple[str, Callable[[float], None]]]:
    """Give the address of an MLflow server, and what stops it for some seconds."""
    port = free_port()
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--backend-store-uri", store, "--workers", "1"]
    words += ["--artifacts-destination", str(bench.folder / "artifacts")]
    log = bench.folder / f"server-{port}.log"
    started = [bench.start(words, log, {})]

    def restart(pause: float) -> None:
        started[-1].kill()
        time.sleep(pause)
        started.append(bench.start(words, log, {}))
        wait_until(lambda: listens(port), f"MLflow, see {log}")

    try:
        wait_until(lambda: listens(port), f"MLflow, see {log}")
        yield f"http://127.0.0.1:{port}", restart
    finally:
        started[-1].kill()


def ended(
    name: str,
    place: Workspace,
    expected: pd.DataFrame,
    began: float,
    *,
    complete: int,
    codes: Sequence[int],
    told: str,
) -> Row:
    """Cells of a line about a plan that must have been completed."""
    same = num_complete(place) > 0 and results(place).equals(expected)
    seconds = f"{time.perf_counter() - began:.0f}"
    return name, str(complete), _joined(codes), seconds, told, "yes" if same else "NO"


def _joined(codes: Sequence[int]) -> str:
    return ", ".join(map(str, codes))


def results(place: Workspace) -> pd.DataFrame:
    """The table of results, without what the clock says."""
    return results_table(RunStore(place)).drop(columns="seconds")


def middle(place: Workspace) -> int:
    """Wait until a run is complete and others train; how many are complete."""
    wait_until(
        lambda: num_complete(place) and list(place.progress.glob("*.json")), "run to complete"
    )
    return num_complete(place)


def num_complete(place: Workspace) -> int:
    return len(list(place.runs.glob("[!.]*")))


def num_logged(address: str) -> int:
    """Number of runs that MLflow has of the plan, each by its key."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("transfer")
    if experiment is None:
        return 0
    runs = client.search_runs([experiment.experiment_id], max_results=10_000)
    finished = [run for run in runs if run.info.status == "FINISHED"]
    return len({run.data.tags.get("key") for run in finished} - {None})


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something, with an error if it does not come."""
    until = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"waited too long for a {what}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True, help="with a dataset")
    parser.add_argument("--faults", default=",".join(FAULTS), help="some, separated by commas")
    parser.add_argument("--workers", type=int, default=16, help="logical ones, of both nodes")
    parser.add_argument("--pause", type=float, default=60.0, help="seconds without MLflow")
    parser.add_argument(
        "--plan",
        default="--tfs SPI1 --pretrain-tfs ELF1,GABPA --pretrain-epochs 2 --epochs 15",
        help="arguments of `bindgrid run transfer`",
    )
    parser.add_argument("--small", action="store_true", help="networks of a few filters")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
