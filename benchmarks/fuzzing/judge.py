"""What a command may do with a faulty file, and what it may not do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.fuzzing.mutations import ELSEWHERE, Mutation
from benchmarks.fuzzing.server import Ended
from data.dataset.store import Dataset

MAX_MEGABYTES: Final = 1500
"""Memory that no command may need on such small files."""
_INTERNALS: Final = re.compile(
    r"Traceback \(most recent|Exception ignored|pyarrow|Arrow(?:Invalid|Exception|KeyError)"
    r"|\b(?:Key|Value|Type|Index|Attribute|Overflow|Memory|Runtime|Recursion|Assertion)Error\b"
    r"|\w+Warning:|NoneType|object at 0x"
)
"""Words that a user of the command line should never read."""
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MAX_LINE: Final = 2000
"""Characters of a line that can still be read."""

State = Mapping[str, tuple[int, int]]
"""Size and time of every file of a folder, by its name in there."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of one mutation."""

    mutation: Mutation
    ended: Ended
    faults: tuple[str, ...]
    last_line: str


def state(folder: Path) -> State:
    """Look at every file of a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_dir():
            one = path.lstat()
            found[str(path.relative_to(folder))] = (one.st_size, one.st_mtime_ns)
    return found


def judge(mutation: Mutation, ended: Ended, folder: Path, before: State) -> Verdict:
    """Judge what a command left in its folder and said.

    Parameters
    ----------
    before
        The folder before the command ran, without `stdout` and `stderr`.
    """
    said = (folder / "stderr").read_text(errors="surrogateescape")
    told = said + (folder / "stdout").read_text(errors="surrogateescape")
    lines = said.rstrip("\n").split("\n")
    faults = []
    if ended.code < 0:
        faults.append(f"killed by signal {-ended.code}")
    elif ended.code not in (0, 2):
        faults.append(f"exit code {ended.code}")
    if ended.megabytes > MAX_MEGABYTES:
        faults.append(f"{ended.megabytes:,.0f} MB")
    if found := _INTERNALS.search(told):
        faults.append(f"words of the program: {found[0]}")
    if found := _CONTROLS.search(told):
        faults.append(f"control character {found[0]!r}")
    if ended.code == 2 and not lines[-1].startswith("bindgrid: "):
        faults.append("no line that says what is wrong")
    if ended.code == 2 and len(lines[-1]) > _MAX_LINE:
        faults.append(f"a line of {len(lines[-1]):,} characters")
    faults += _of_files(mutation, ended, folder, before)
    return Verdict(mutation=mutation, ended=ended, faults=tuple(faults), last_line=lines[-1][:400])


def _of_files(mutation: Mutation, ended: Ended, folder: Path, before: State) -> list[str]:
    """Faults in what was written."""
    faults = []
    for name, content in mutation.kind.inputs.items():
        is_changed = name == mutation.kind.file
        own = folder / "in" / (mutation.file if is_changed else name)
        wanted = mutation.content if is_changed else content
        if not own.is_file() or own.read_bytes() != wanted:
            faults.append(f"an input was changed: {own.name!r}")
    after = state(folder)
    new = {name for name, own in after.items() if before.get(name) != own}
    new -= {"stdout", "stderr"}
    gone = before.keys() - after.keys()
    index = {f"in/{name}.fai" for name in (*mutation.kind.inputs, mutation.file)}
    index |= {f"in/{name}.gzi" for name in (*mutation.kind.inputs, mutation.file)}
    if ended.code == 2 and (left := sorted(new - index - {"out/left.tsv"}) + sorted(gone)):
        faults.append(f"refused, but changed: {', '.join(left[:3])}")
    unfinished = [name for name in new if name.startswith("tmp/") or "/." in name]
    if unfinished and ended.code == 0:
        faults.append(f"left behind: {', '.join(unfinished[:3])}")
    table = folder / "out" / "left.tsv"
    rows = table.read_text(errors="surrogateescape").split("\n") if table.exists() else []
    if table.exists() and (rows[0] != "file\trow\treason" or rows[-1]):
        faults.append("the table of rows left out is not whole")
    if ended.code == 0:
        faults += _of_dataset(folder / "ws" / "dataset")
    if mutation.name == ELSEWHERE:
        faults += _of_known_rows(mutation, ended, rows)
    return faults


def _of_dataset(path: Path) -> list[str]:
    """Whether a dataset that is there is whole."""
    if not path.exists():
        return []
    try:
        dataset = Dataset.open(path)
        dataset.regions()
        dataset.evidence(dataset.tfs)
    except Exception as error:
        return [f"the dataset is not whole: {error}"]
    return []


def _of_known_rows(mutation: Mutation, ended: Ended, rows: list[str]) -> list[str]:
    """Whether exactly the rows that lie elsewhere were left out for it."""
    if ended.code != 0:
        return ["refused for some rows on other chromosomes"]
    cells = [row.split("\t") for row in rows[1:] if row]
    found = sorted(int(one[1]) for one in cells if one[0] == f"in/{mutation.file}")
    if not set(mutation.left_out) <= set(found):
        return [f"rows {mutation.left_out} are not among those left out ({len(found)})"]
    return []
