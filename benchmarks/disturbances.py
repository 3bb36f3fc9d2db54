"""A plan on a full disk, a read-only disk, beside a clock that jumps and another driver; old runs.

    python -m benchmarks.disturbances [--only NAMES] [--folder DIR] [--older WORKSPACE]

The plans and what is compared are those of `benchmarks.kills`, without a server of MLflow:

- *full disk*: the workspace is a small disk (tmpfs), which is full after a tenth, a half or nine
  tenths of what the plan writes; the disk is made larger, and the same command is given again;
- *read-only*: a complete workspace on a disk that cannot be written to: the plan is given again,
  and commands that only read, of which each one must do its work or say why it cannot;
- *clock*: while the plan runs, the clock goes back by an hour and then ahead by a day; it is
  killed and given again with the right time (needs `libfaketime`);
- *two drivers*: the same command twice at the same moment, of which one must be refused;
- *older*: a workspace that an earlier version wrote, as `--older` says or that of the tests: its
  plan is complete, all commands that read it work, and no file of its runs or dataset is changed.

Full and read-only disks need root, and are told as not possible otherwise.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.killing.comparison import differing
from benchmarks.killing.setup import COMMAND, Setup, working_folder
from benchmarks.machine import Row, describe, table
from orchestrator.workspace import Workspace

HEADER: Final = ("disturbance", "exit codes", "what was told", "afterwards")
NOT_HERE: Final = "not possible here"
PLAN: Final = "tf add by processes"
OLDER: Final = Path(__file__).parents[1] / "tests/fixtures/workspace_36e0cc0.tar.xz"
FAKETIME: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
READING: Final = (("results",), ("models",), ("tf", "list"), ("data", "show"), ("report",))
"""Commands that look at a complete workspace."""


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Try each disturbance."""
    options = _options(arguments)
    print(describe() + "\n", flush=True)
    rows: list[Row] = []
    with working_folder(options.folder) as folder:
        bench = Bench(Setup(folder, options))
        for name in options.only.split(","):
            for row in DISTURBANCES[name](bench):
                rows.append(row)
                print(" | ".join(row), flush=True)
    print("\n" + table(HEADER, rows))
    return rows


@dataclass(frozen=True)
class Bench:
    """Where disturbances are tried."""

    setup: Setup

    def place(self, name: str) -> Workspace:
        """Give a workspace that is not there yet."""
        place = Workspace(self.setup.folder / f"d-{name}")
        for path in (place.root, self._log(place)):
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)
        return place

    def filled(self, name: str) -> Workspace:
        """Give a workspace with the dataset that the plan starts from."""
        place = self.place(name)
        shutil.copytree(self.setup.folder / "start", place.root)
        return place

    def undisturbed(self) -> Workspace:
        """Give the workspace in which the plan is complete, maybe by `benchmarks.kills`."""
        place = self.setup.undisturbed(PLAN)
        if not (place.root / "report").exists():
            shutil.rmtree(place.root, ignore_errors=True)
            shutil.copytree(self.setup.folder / "start", place.root)
            if code := self.run(self.setup.words(PLAN, place), place):
                raise RuntimeError(f"the plan ends with {code} undisturbed: {self.told(place)}")
        return place

    def start(
        self, words: Sequence[str], place: Workspace, **own: str
    ) -> "subprocess.Popen[bytes]":
        """Start a command on a workspace."""
        return self.setup.start([*COMMAND, *words], self._log(place), **own)

    def run(self, words: Sequence[str], place: Workspace, **own: str) -> int:
        """Run a command on a workspace; its exit code."""
        return self.start(words, place, **own).wait()

    def told(self, place: Workspace) -> str:
        """Give the last line of bindgrid's own that commands said, without paths."""
        text = self._log(place).read_text(errors="replace")
        if "Traceback" in text:
            return "A TRACEBACK"
        lines = [line for line in text.splitlines() if line.startswith("bindgrid: ")]
        last = lines[-1].removeprefix("bindgrid: ") if lines else ""
        return last.replace(str(place.root), "WORKSPACE")

    def afterwards(self, place: Workspace) -> str:
        """Say what differs from the plan undisturbed."""
        return "; ".join(differing(place, self.undisturbed())[:5]) or "no difference"

    def _log(self, place: Workspace) -> Path:
        return place.root.with_suffix(".log")


def full_disk(bench: Bench) -> Iterator[Row]:
    """Fill the disk while the plan runs, and make it larger."""
    complete = _size(bench.undisturbed().root)
    before = _size(bench.setup.folder / "start")
    for tenths in (1, 5, 9):
        name = f"full disk after {tenths}/10"
        place = bench.place(f"full{tenths}")
        size = before + (complete - before) * tenths // 10
        with _mounted("-t", "tmpfs", "-o", f"size={size}", "none", at=place.root) as mounted:
            if not mounted:
                yield (name, *[NOT_HERE] * 3)
                return
            shutil.copytree(bench.setup.folder / "start", place.root, dirs_exist_ok=True)
            words = bench.setup.words(PLAN, place)
            codes = [bench.run(words, place)]
            told = bench.told(place)
            _mount("-o", f"remount,size={4 * complete}", at=place.root)
            codes.append(bench.run(words, place))
            yield name, _joined(codes), told, bench.afterwards(place)


def read_only(bench: Bench) -> Iterator[Row]:
    """Give a complete workspace on a disk that cannot be written to."""
    complete = bench.undisturbed()
    commands = (bench.setup.words(PLAN, Workspace(bench.setup.folder / "d-ro")), *READING)
    for words in commands:
        place = bench.place("ro")
        name = f"read-only, {' '.join(words[:2])}"
        with _mounted("--bind", str(complete.root), at=place.root) as mounted:
            if not mounted or not _mount("-o", "remount,bind,ro", at=place.root):
                yield (name, *[NOT_HERE] * 3)
                return
            own = [] if "-w" in words else ["-w", str(place.root)]
            code = bench.run([*words, *own], place)
            yield name, str(code), bench.told(place), bench.afterwards(place)


def clock(bench: Bench) -> Iterator[Row]:
    """Set the clock back and ahead while the plan runs, and kill it."""
    if not FAKETIME:
        yield ("clock", *[NOT_HERE] * 3)
        return
    place = bench.filled("clock")
    offset = bench.setup.folder / "clock"
    own = {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    words = bench.setup.words(PLAN, place)
    codes = []
    for last in (False, True):
        offset.write_text("+0")
        command = bench.start(words, place, **({} if last else own))
        for num_complete, jump in ((1, "-1h"), (2, "+1d"), (3, "")):
            while not last and command.poll() is None and _num_runs(place) < num_complete:
                time.sleep(0.1)
            offset.write_text(jump or "+1d")
        if not last:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
        codes.append(command.wait())
    yield "clock", _joined(codes), bench.told(place), bench.afterwards(place)


def two_drivers(bench: Bench) -> Iterator[Row]:
    """Give the same command twice at once."""
    place = bench.filled("two")
    words = bench.setup.words(PLAN, place)
    commands = [bench.start(words, place) for _ in range(2)]
    codes = [command.wait() for command in commands]
    yield "two drivers", _joined(codes), bench.told(place), bench.afterwards(place)


def older(bench: Bench) -> Iterator[Row]:
    """Use a workspace that an earlier version wrote."""
    place = bench.place("older")
    if bench.setup.options.older:
        shutil.copytree(bench.setup.options.older, place.root)
    else:
        with tarfile.open(OLDER) as archive:
            archive.extractall(place.root.with_suffix(".tar"), filter="data")
        shutil.rmtree(place.root, ignore_errors=True)
        (place.root.with_suffix(".tar") / "w").rename(place.root)
    before = _contents(place)
    commands = [["mlflow", "sync"], *map(list, READING)]
    if place.lock.exists():
        words = shlex.split(json.loads(place.lock.read_text())["command"])[1:]
        commands.insert(0, _without_workspace(words))
    for words in commands:
        code = bench.run([*words, "-w", str(place.root)], place)
        same = "runs and dataset unchanged" if _contents(place) == before else "FILES CHANGED"
        yield f"older, {' '.join(words[:2])}", str(code), bench.told(place), same


def _without_workspace(words: Sequence[str]) -> list[str]:
    for name in ("--workspace", "-w"):
        if name in words:
            at = words.index(name)
            return [*words[:at], *words[at + 2 :]]
    return list(words)


def _contents(place: Workspace) -> dict[Path, bytes]:
    files = [path for folder in (place.runs, place.dataset) for path in folder.rglob("*")]
    return {path: path.read_bytes() for path in files if path.is_file()}


def _num_runs(place: Workspace) -> int:
    return sum(not path.name.startswith(".") for path in place.runs.glob("*"))


def _size(folder: Path) -> int:
    """Give the bytes of a folder on a disk of pages of 4,096 bytes."""
    return sum(-(-path.stat().st_size // 4096) * 4096 + 4096 for path in folder.rglob("*"))


def _mount(*words: str, at: Path) -> bool:
    done = subprocess.run(["mount", *words, str(at)], check=False, capture_output=True)
    return done.returncode == 0


@contextlib.contextmanager
def _mounted(*words: str, at: Path) -> Iterator[bool]:
    """Mount something for a block; gives whether that is possible."""
    at.mkdir()
    mounted = shutil.which("mount") is not None and _mount(*words, at=at)
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(at)], check=True)
        at.rmdir()


def _joined(codes: Sequence[int]) -> str:
    return ", ".join(map(str, codes))


DISTURBANCES: Final[dict[str, Callable[[Bench], Iterator[Row]]]] = {
    "full": full_disk,
    "read-only": read_only,
    "clock": clock,
    "two": two_drivers,
    "older": older,
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(DISTURBANCES), help="separated by commas")
    parser.add_argument("--regions", type=int, default=1200, help="simulated ones")
    parser.add_argument("--epochs", type=int, default=1, help="of an individual model")
    parser.add_argument("--folder", type=Path, help="to keep all files in; with a short path")
    parser.add_argument("--older", type=Path, help="a workspace of an earlier version")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
