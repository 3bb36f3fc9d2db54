"""Plans killed at random moments, again and again: what is different afterwards, and time lost.

    python -m benchmarks.kills [--kills 200] [--per-round 8] [--at-once 2] [--folder DIR] [--resume]

The sources are simulated, the networks small. One plan pre-trains a masked multi-model by two
workers of Ray Train and fine-tunes it by Ray Tune; the others are `bindgrid tf add`, by Ray and by
processes without Ray. Each is run once undisturbed. Then, a round after the other, in a new
workspace, with an MLflow server of its own: the command is started, at random moments processes of
it get signals, the same command is given again where it has ended, and so on until it ends with
exit code 0. Each process gets each signal about as often as any other one. A process that is
stopped (SIGSTOP) goes on after `--pause` seconds; MLflow's server is started again when it has
ended. Every tenth round nothing is killed, which tells what a plan takes beside other rounds.

After each round, `bindgrid mlflow sync`, and then: every file of every run and of the dataset is
that of the undisturbed workspace, bit for bit, but for seconds and dates; no other file is there,
nor in the temporary folder; no process of the commands lives after `AGENTS_SECONDS`; MLflow has
each run once, with the same parameters, metrics, files and models, and none that seems to run. What
differs is told. Told per process and signal: kills, the exit codes of the commands that were hit,
seconds lost, and how many kills were in rounds without any difference. With `--folder DIR
--resume` rounds that were told before are counted and not run again.
"""

import argparse
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.killing.attempt import Attempt, Kill
from benchmarks.killing.comparison import Logged, differing
from benchmarks.killing.setup import PLANS, Setup, working_folder
from benchmarks.machine import Row, describe, table
from orchestrator.workspace import Workspace

HEADER: Final = ("plan", "process", "signal", "kills", "exit codes", "s lost", "no difference")
SIGNALS: Final = ("SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP")
ENDING: Final = ("driver", "raylet", "GCS")
"""Processes without which a command ends."""
NOT_KILLED: Final = 10
"""One round of as many has no kills."""

Pair = tuple[str, str]
"""A process and a signal."""


@dataclass(kw_only=True)
class Round:
    """A workspace from its first command to the last one."""

    plan: str
    number: int
    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0
    """Of all commands, waiting for stopped processes not counted."""
    left_seconds: float = 0.0
    """How long processes lived on after the last command."""
    differences: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Run rounds until there were as many kills as asked for."""
    options = _options(arguments)
    # a shell has its background jobs ignore SIGINT, and what they start would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(describe() + "\n", flush=True)
    with working_folder(options.folder) as folder:
        bench = Bench(Setup(folder, options))
        log = folder / "rounds.jsonl"
        rounds = _told_before(log) if options.resume else []
        for one in bench.rounds(rounds):
            rounds.append(one)
            with log.open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")
            _tell(one, sum(len(each.kills) for each in rounds))
        rows = _rows(rounds, {plan: one.seconds for plan, one in bench.undisturbed.items()})
    print("\n" + table(HEADER, rows))
    return rows


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """A plan that nothing has disturbed."""

    place: Workspace
    seconds: float
    logged: Logged
    """What MLflow has."""


class Bench:
    """Runs plans, undisturbed and killed."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.folder = setup.folder
        self.options = setup.options
        self.undisturbed = {plan: self._undisturbed(plan) for plan in self.options.plans.split(",")}

    def rounds(self, told: Sequence[Round]) -> Iterator[Round]:
        """Run rounds, some at once, until there are enough kills; give each when it is over."""
        kills = Counter((one.plan, kill.process, kill.signal) for one in told for kill in one.kills)
        number = max((one.number for one in told), default=-1) + 1
        running: dict[Future[Round], int] = {}
        with ThreadPoolExecutor(self.options.at_once) as pool:
            while True:
                missing = self.options.kills - kills.total() - sum(running.values())
                while missing > 0 and len(running) < self.options.at_once:
                    plan = list(self.undisturbed)[number % len(self.undisturbed)]
                    most = 0 if number % NOT_KILLED == NOT_KILLED - 1 else self.options.per_round
                    pairs = least_killed(plan, kills, num=most, seed=(self.options.seed, number))
                    running[pool.submit(self._round, plan, number, pairs)] = len(pairs)
                    number, missing = number + 1, missing - len(pairs)
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
                    one = future.result()
                    kills.update((one.plan, kill.process, kill.signal) for kill in one.kills)
                    yield one

    def _undisturbed(self, plan: str) -> Undisturbed:
        """Run a plan with nothing that disturbs it, unless that was done before."""
        place = self._setup.undisturbed(plan)
        told = place.root.with_suffix(".json")
        if told.exists():
            seconds, logged = json.loads(told.read_text())
            return Undisturbed(place=place, seconds=seconds, logged=Logged(logged))
        one = Attempt(self._setup, plan, place)
        one.finish()
        if one.differences:
            raise RuntimeError(f"{plan} fails without any kill: {'; '.join(one.differences)}")
        told.write_text(json.dumps([one.seconds, list(one.logged.elements())]))
        return Undisturbed(place=place, seconds=one.seconds, logged=one.logged)

    def _round(self, plan: str, number: int, pairs: Sequence[Pair]) -> Round:
        """Kill a plan some times, and see what it comes to."""
        rng = np.random.default_rng([self.options.seed, number, 1])
        undisturbed = self.undisturbed[plan]
        place = Workspace(self.folder / f"r{number}")
        one = Attempt(self._setup, plan, place)
        for process, name in pairs:
            part = 0.5 if process == "driver" else 0.1  # the others begin late, and end sooner
            one.kill(process, name, float(rng.uniform(0, part * undisturbed.seconds)))
        one.finish()
        differences = [*one.differences, *differing(place, undisturbed.place)]
        differences += [f"MLflow lacks {line}" for line in undisturbed.logged - one.logged]
        differences += [f"MLflow has also {line}" for line in one.logged - undisturbed.logged]
        if not differences:
            shutil.rmtree(place.root)
            shutil.rmtree(place.root.with_suffix(".mlflow"))
        return Round(
            plan=plan,
            number=number,
            kills=one.kills,
            seconds=one.seconds,
            left_seconds=one.left_seconds,
            differences=differences,
        )


def least_killed(
    plan: str, kills: Counter[tuple[str, str, str]], *, num: int, seed: tuple[int, int]
) -> list[Pair]:
    """Choose what is killed in a round: what was killed least often, in random order."""
    pairs = list(product(PLANS[plan], SIGNALS))
    places = dict(zip(pairs, np.random.default_rng(seed).permutation(len(pairs)), strict=True))
    pairs.sort(key=lambda pair: (kills[plan, *pair], places[pair]))
    # a multi-model is trained once, and before the rest; what ends a command comes last
    return sorted(pairs[:num], key=lambda pair: (_stage(*pair), places[pair]))


def _stage(process: str, name: str) -> int:
    """Say when in a round a process is killed."""
    if process == "Train's worker":
        return 0
    return 2 if process in ENDING and name != "SIGSTOP" else 1


def _told_before(log: Path) -> list[Round]:
    if not log.exists():
        return []
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [Round(**{**one, "kills": [Kill(**kill) for kill in one["kills"]]}) for one in records]


def _tell(one: Round, num_kills: int) -> None:
    hits = ", ".join(
        f"{kill.process} {kill.signal} after {kill.at_seconds:.0f} s (exit code {kill.exit_code})"
        for kill in one.kills
    )
    times = f"{one.seconds:.0f} s, last process {one.left_seconds:.0f} s later"
    found = "; ".join(one.differences[:10]) or "no difference"
    print(f"round {one.number}, {one.plan}: {hits or 'no kill'}; {times}; {found}")
    print(f"{num_kills} kills", flush=True)


def _rows(rounds: Sequence[Round], seconds: dict[str, float]) -> list[Row]:
    rows: list[Row] = []
    for plan, name in product(seconds, SIGNALS):
        whole = [one.seconds for one in rounds if one.plan == plan and not one.kills]
        usual = float(np.mean(whole)) if whole else seconds[plan]
        for process in PLANS[plan]:
            hits = [
                (one, kill)
                for one in rounds
                for kill in one.kills
                if (one.plan, kill.process, kill.signal) == (plan, process, name)
            ]
            if not hits:
                continue
            codes = Counter(kill.exit_code or 0 for _, kill in hits)
            lost = [(one.seconds - usual) / len(one.kills) for one, _ in hits]
            same = sum(not one.differences for one, _ in hits)
            told = ", ".join(f"{code} ({num})" for code, num in sorted(codes.items()))
            row = (plan, process, name, str(len(hits)), told, f"{np.mean(lost):.0f}")
            rows.append((*row, f"{same} of {len(hits)}"))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--per-round", type=int, default=8, help="most kills of one workspace")
    parser.add_argument("--at-once", type=int, default=2, help="rounds that run at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plans", default=",".join(PLANS), help="some, separated by commas")
    parser.add_argument("--regions", type=int, default=1200, help="simulated ones")
    parser.add_argument("--epochs", type=int, default=1, help="of an individual model")
    parser.add_argument("--pause", type=float, default=60.0, help="seconds of SIGSTOP")
    parser.add_argument("--folder", type=Path, help="to keep all files in; with a short path")
    parser.add_argument("--resume", action="store_true", help="count the rounds told there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
