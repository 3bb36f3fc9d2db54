"""Runs commands in forked children of a process that has imported everything already.

A command takes a fraction of a second then, and not the seconds that its imports take. Taking the
interpreter down costs seconds too: a child does so only when it is asked to.
"""

import atexit
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

LIMIT_CPU_SECONDS: Final = 120
"""Seconds after which a command counts as endless."""
LIMIT_SECONDS: Final = 1200
"""After which it counts as hanging; long, since the machine may be busy."""
LIMIT_BYTES: Final = 4 << 30
"""Address space that a command may claim beyond what is loaded already."""
_WARM: Final = (
    *("Bio.bgzf", "Bio.motifs", "numba", "pandas", "pyarrow.csv", "pyranges", "torch"),
    *("data.own_tf.edit", "data.own_tf.files", "data.own_tf.labels", "data.own_tf.new_regions"),
    *("data.own_tf.predicted_sites", "data.queries.variants", "data.queries.windows"),
    *("data.release.authors", "data.sources.build", "orchestrator.interpretation.explain"),
    *("orchestrator.prediction.model_folders", "orchestrator.prediction.predict"),
    *("orchestrator.prediction.writers", "orchestrator.runs.find_run", "experiments.cli.main"),
)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code; negative, the signal that killed it."""
    seconds: float
    """CPU seconds."""
    megabytes: float
    """Most memory, with that of the loaded program."""


class Server:
    """A process that runs commands, one at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from benchmarks.fuzzing.server import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def run(self, words: tuple[str, ...], folder: Path, *, to_the_end: bool = False) -> Ended:
        """Run `bindgrid` in a folder, its output and errors to `stdout` and `stderr` there.

        Parameters
        ----------
        to_the_end
            Whether the interpreter is taken down as at the end of a program, so that a fault there
            is seen too.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        json.dump([words, str(folder), to_the_end], self._process.stdin)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def serve() -> None:
    """Read commands and run them until there are no more."""
    for name in _WARM:
        __import__(name)
    gc.collect()
    gc.freeze()  # so that children share these objects
    for line in sys.stdin:
        words, folder, to_the_end = json.loads(line)
        child = os.fork()
        if not child:
            _become_command(words, Path(folder))
            from experiments.cli.main import main

            if to_the_end:
                return main()
            _exit_with(_code_of(main))
        _, status, used = os.wait4(child, 0)
        ended = Ended(
            code=os.waitstatus_to_exitcode(status),
            seconds=used.ru_utime + used.ru_stime,
            megabytes=used.ru_maxrss / 1024,
        )
        print(json.dumps(asdict(ended)), flush=True)
    return None


def _become_command(words: list[str], folder: Path) -> None:
    os.chdir(folder)
    for number, (name, mode) in enumerate(
        ((os.devnull, os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))
    ):
        opened = os.open(name, mode | (os.O_CREAT if number else 0))
        os.dup2(opened, number)
        os.close(opened)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = _now_kib("VmSize") * 1024 + LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + LIMIT_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    signal.alarm(LIMIT_SECONDS)
    sys.argv = ["bindgrid", *words]


def _code_of(main: Callable[[], None]) -> int:
    """Exit code of a program."""
    try:
        main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _exit_with(code: int) -> NoReturn:
    """End as Python does, but without taking down its modules."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _now_kib(name: str) -> int:
    """Memory of this process, as the system counts it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
