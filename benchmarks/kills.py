"""Two plans killed at random moments, again and again: what is different afterwards, and time lost.

    python -m benchmarks.kills [--kills 200] [--per-round 2] [--seed 0] [--folder DIR] [--resume]

The sources are simulated. One plan pre-trains a masked multi-model by two workers of Ray Train and
fine-tunes it by Ray Tune; the other one is `bindgrid tf add`. Each is run once undisturbed. Then, a
round after the other, in a new workspace, with an MLflow server of its own: the command is started,
at a random moment a random process of it gets a random signal, the same command is given again if
it has ended, and so on until it ends with exit code 0. A process that is stopped (SIGSTOP) goes on
after `--pause` seconds; MLflow's server is started again when it has ended.

After each round, `bindgrid mlflow sync`, and then: every file of every run and of the dataset is
that of the undisturbed workspace, bit for bit, but for seconds and dates; no other file is there;
no process of the commands lives after `AGENTS_SECONDS`; MLflow has each run once, finished, and
none that seems to run. What differs is told. Told per process and signal: kills, the exit codes of
the commands that were hit, seconds lost, and how many kills were in rounds without any difference.
With `--folder DIR --resume` rounds that were told before are counted and not run again.
"""

import argparse
import contextlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.killing.attempt import TITLES, Attempt, Kill
from benchmarks.killing.comparison import Logged, counted, differing
from benchmarks.killing.setup import PLANS, Setup
from benchmarks.machine import Row, describe, table
from orchestrator.workspace import Workspace

HEADER: Final = ("plan", "process", "signal", "kills", "exit codes", "s lost", "no difference")
SIGNALS: Final = ("SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP")


@dataclass(kw_only=True)
class Round:
    """A workspace from its first command to the last one."""

    plan: str
    number: int
    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0
    """Of all commands, waiting for stopped processes not counted."""
    differences: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Run rounds until there were as many kills as asked for."""
    options = _options(arguments)
    print(describe() + "\n", flush=True)
    with contextlib.ExitStack() as stack:
        folder = options.folder
        if folder is None:
            made = tempfile.TemporaryDirectory(prefix="bg-", dir="/tmp")
            folder = Path(stack.enter_context(made))
        bench = Bench(Setup(folder, options))
        log = folder / "rounds.jsonl"
        rounds = _told_before(log) if options.resume else []
        undisturbed = {plan: bench.undisturbed(plan) for plan in options.plans.split(",")}
        while sum(len(one.kills) for one in rounds) < options.kills:
            number = len(rounds)
            plan = list(undisturbed)[number % len(undisturbed)]
            rounds.append(bench.round(plan, number, undisturbed[plan]))
            with log.open("a") as file:
                file.write(json.dumps(asdict(rounds[-1])) + "\n")
            _tell(rounds[-1], undisturbed[plan])
        rows = _rows(rounds, {plan: one.seconds for plan, one in undisturbed.items()})
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

    def undisturbed(self, plan: str) -> Undisturbed:
        """Run a plan with nothing that disturbs it, unless that was done before."""
        place = Workspace(self.folder / f"undisturbed-{plan.replace(' ', '-')}")
        told = place.root.with_suffix(".json")
        if told.exists():
            seconds, logged = json.loads(told.read_text())
            return Undisturbed(place=place, seconds=seconds, logged=counted(logged))
        shutil.rmtree(place.root, ignore_errors=True)
        one = Attempt(self._setup, plan, place)
        one.finish()
        if one.differences:
            raise RuntimeError(f"{plan} fails without any kill: {'; '.join(one.differences)}")
        told.write_text(json.dumps([one.seconds, list(one.logged.elements())]))
        return Undisturbed(place=place, seconds=one.seconds, logged=one.logged)

    def round(self, plan: str, number: int, undisturbed: Undisturbed) -> Round:
        """Kill a plan some times, and see what it comes to."""
        rng = np.random.default_rng([self.options.seed, number])
        place = Workspace(self.folder / f"round-{number}")
        shutil.rmtree(place.root, ignore_errors=True)
        one = Attempt(self._setup, plan, place)
        pairs = list(product(TITLES, SIGNALS))
        if plan == "tf add":  # nothing there is trained by Ray Train's workers
            pairs = [pair for pair in pairs if pair[0] != "Train's worker"]
        kills: list[Kill] = []
        for _ in range(self.options.per_round):
            process, name = pairs[int(rng.integers(len(pairs)))]
            kill = one.kill(process, name, float(rng.uniform(0, undisturbed.seconds)))
            kills += [kill] if kill else []
        one.finish()
        differences = [*one.differences, *differing(place, undisturbed.place)]
        if one.logged != undisturbed.logged:
            lacking, more = undisturbed.logged - one.logged, one.logged - undisturbed.logged
            differences.append(f"MLflow lacks {dict(lacking)} and has also {dict(more)}")
        if not differences:
            shutil.rmtree(place.root)
        return Round(
            plan=plan, number=number, kills=kills, seconds=one.seconds, differences=differences
        )


def _told_before(log: Path) -> list[Round]:
    if not log.exists():
        return []
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [Round(**{**one, "kills": [Kill(**kill) for kill in one["kills"]]}) for one in records]


def _tell(one: Round, undisturbed: Undisturbed) -> None:
    hits = ", ".join(
        f"{kill.process} {kill.signal} after {kill.at_seconds:.0f} s (exit code {kill.exit_code})"
        for kill in one.kills
    )
    lost = f"{one.seconds:.0f} s, {undisturbed.seconds:.0f} s undisturbed"
    found = "; ".join(one.differences[:10]) or "no difference"
    print(f"round {one.number}, {one.plan}: {hits or 'no kill'}; {lost}; {found}", flush=True)


def _rows(rounds: Sequence[Round], seconds: dict[str, float]) -> list[Row]:
    rows: list[Row] = []
    for plan, process, name in product(seconds, TITLES, SIGNALS):
        hits = [
            (one, kill)
            for one in rounds
            for kill in one.kills
            if (one.plan, kill.process, kill.signal) == (plan, process, name)
        ]
        if not hits:
            continue
        codes = Counter(kill.exit_code for _, kill in hits)
        lost = [(one.seconds - seconds[plan]) / len(one.kills) for one, _ in hits]
        same = sum(not one.differences for one, _ in hits)
        told = ", ".join(f"{code} ({num})" for code, num in sorted(codes.items()))
        row = (plan, process, name, str(len(hits)), told, f"{np.mean(lost):.0f}")
        rows.append((*row, f"{same} of {len(hits)}"))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--per-round", type=int, default=2, help="kills of one workspace")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plans", default=",".join(PLANS), help="some, separated by commas")
    parser.add_argument("--regions", type=int, default=2000, help="simulated ones")
    parser.add_argument("--epochs", type=int, default=5, help="of an individual model")
    parser.add_argument("--pause", type=float, default=60.0, help="seconds of SIGSTOP")
    parser.add_argument("--folder", type=Path, help="to keep all files in; with a short path")
    parser.add_argument("--resume", action="store_true", help="count the rounds told there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
