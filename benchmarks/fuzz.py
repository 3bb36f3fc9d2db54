"""Mutations of good files, given to the commands that read them, and how each command ends.

    python -m benchmarks.fuzz [--seed 0] [--mutations 2000] [--first 0] [--only N] [--keep FOLDER]

Small good files of every kind that a command reads are made, and every command is run once on
them. Then file by file one is truncated, shifted, gets swapped columns, hostile names, random
bytes, huge numbers, mixed line ends and so on. Each mutation is a pure function of the seed and its
number, so that `--only` repeats one.

A command must end with exit code 0 or 2; with 2, its last line says what is wrong; nothing is
half-written, no input is changed, no words of the program's own (a traceback, Arrow's errors,
warnings) are shown, and memory stays bounded. Rows on a chromosome that no other file has must be
left out and listed, all the others used.

Reported by kind of file and by mutation: how many ended with 0 and with 2, failures, CPU seconds of
the slowest, and the most memory with that of the loaded program.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from benchmarks.fuzzing.good import Kind, make_kinds
from benchmarks.fuzzing.judge import Verdict, judge, state
from benchmarks.fuzzing.mutations import Mutation, mutation
from benchmarks.fuzzing.server import Server
from benchmarks.machine import Row, describe, table

_SERVERS = 2
_TO_THE_END = 20
"""One in this many commands ends the interpreter as well."""
_HEADER = ("of", "all", "exit 0", "exit 2", "failed", "slowest, s", "most MB")


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        kinds = make_kinds(folder)
        last = options.first + options.mutations
        numbers = [options.only] if options.only is not None else list(range(options.first, last))
        until = time.monotonic() + 60 * options.minutes
        verdicts = []
        chosen = [partial(mutation, options.seed, number, kinds) for number in numbers]
        with _servers() as servers:
            if options.only is None and not options.first:
                _check_good(kinds, folder, servers)
            for verdict in _judged(chosen, folder, servers, options.keep):
                verdicts.append(verdict)
                if verdict.faults or options.only is not None:
                    print(_listed([verdict]), flush=True)
                if time.monotonic() > until:
                    break
    numbers = [one.mutation.number for one in verdicts]
    print(f"{machine}, seed {options.seed}, mutations {numbers[0]} to {numbers[-1]}")
    rows = [_row("all", verdicts)]
    rows += _rows("", verdicts, lambda one: one.mutation.kind.name)
    rows += _rows("by ", verdicts, lambda one: one.mutation.name)
    print(table(_HEADER, rows))
    return rows


_Servers = SimpleQueue[Server]


@contextmanager
def _servers() -> Iterator[_Servers]:
    """Start the processes that run commands, and end them."""
    servers: _Servers = SimpleQueue()
    for _ in range(_SERVERS):
        servers.put(Server())
    try:
        yield servers
    finally:
        for _ in range(_SERVERS):
            servers.get().close()


def _check_good(kinds: Sequence[Kind], folder: Path, servers: _Servers) -> None:
    """Run every command on its good files."""
    good = [partial(_unchanged, i, kind) for i, kind in enumerate(kinds)]
    verdicts = _judged(good, folder, servers, None)
    if refused := [one for one in verdicts if one.ended.code or one.faults]:
        raise SystemExit(f"good files do not pass:\n{_listed(refused)}")


def _unchanged(number: int, kind: Kind) -> Mutation:
    content = kind.inputs[kind.file]
    return Mutation(number=number, kind=kind, name="none", content=content, file=kind.file)


def _judged(
    made: Sequence[Callable[[], Mutation]], folder: Path, servers: _Servers, keep: Path | None
) -> Iterator[Verdict]:
    """Make each mutation, run it, two at a time, and judge it; in the order given."""

    def run(make: Callable[[], Mutation]) -> Verdict:
        one = make()
        place = folder / f"case-{one.number}"
        server = servers.get()
        try:
            _lay_out(one, place, folder)
            before = state(place)
            ended = server.run(_words(one), place, to_the_end=one.number % _TO_THE_END == 0)
            verdict = judge(one, ended, place, before)
            if keep is not None and verdict.faults:
                shutil.copytree(place, keep / str(one.number), dirs_exist_ok=True, symlinks=True)
            return verdict
        finally:
            shutil.rmtree(place, ignore_errors=True)
            servers.put(server)

    with ThreadPoolExecutor(_SERVERS) as pool:
        yield from pool.map(run, made)


def _lay_out(one: Mutation, place: Path, folder: Path) -> None:
    """Write the input files, and give the command a workspace of its own."""
    (place / "out").mkdir(parents=True)
    for name, content in one.kind.inputs.items():
        is_changed = name == one.kind.file
        path = place / "in" / (one.file if is_changed else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.content if is_changed else content)
    if one.kind.workspace:
        # links cost nothing, and show by their time if a file is written over in place
        shutil.copytree(folder / one.kind.workspace, place / "ws", copy_function=os.link)


def _words(one: Mutation) -> tuple[str, ...]:
    own, now = f"in/{one.kind.file}", f"in/{one.file}"
    return tuple(now if word == own else word for word in one.kind.words)


def _rows(lead: str, verdicts: list[Verdict], key: Callable[[Verdict], str]) -> list[Row]:
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(key(verdict), []).append(verdict)
    return [_row(f"{lead}{name}", groups[name]) for name in groups]


def _row(name: str, verdicts: list[Verdict]) -> Row:
    codes = [one.ended.code for one in verdicts]
    return (
        name,
        f"{len(verdicts):,}",
        f"{codes.count(0):,}",
        f"{codes.count(2):,}",
        f"{sum(bool(one.faults) for one in verdicts):,}",
        f"{max(one.ended.seconds for one in verdicts):.1f}",
        f"{max(one.ended.megabytes for one in verdicts):,.0f}",
    )


def _listed(verdicts: list[Verdict]) -> str:
    return "\n".join(
        f"{one.mutation.number}: {one.mutation.kind.name}, {one.mutation.name}: exit "
        f"{one.ended.code}; {'; '.join(one.faults) or 'as it should'}\n    {one.last_line!r}"
        for one in verdicts
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of all mutations (default: 0)")
    parser.add_argument("--mutations", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    parser.add_argument("--only", type=int, help="this one alone, and what it says")
    parser.add_argument("--keep", type=Path, help="folder for the files of those that failed")
    parser.add_argument("--folder", type=Path, help="keep the good files here for the next time")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(any(int(row[4]) for row in main()[:1]))
