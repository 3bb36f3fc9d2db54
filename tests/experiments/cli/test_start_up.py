"""What a command imports: the libraries that take seconds come only where they are used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ("matplotlib", "mlflow", "numba", "ray", "scipy", "torch")
PROGRAM = """
import sys
from experiments.cli.main import app
app(sys.argv[1:], standalone_mode=False)
print("imported:", *sorted(set(sys.modules) & set({slow!r})))
"""


@pytest.mark.parametrize("arguments", [("models",), ("data", "sources")])
def test_a_command_without_a_network_imports_no_library_that_is_slow(tmp_path: Path, arguments):
    cards = tmp_path / "report" / "tf"
    cards.mkdir(parents=True)
    card = {"version": 1, "conclusion": {"sentence": "MINE: use with care."}}
    (cards / "MINE.json").write_text(json.dumps(card))
    more = ("-w", str(tmp_path)) if arguments == ("models",) else ()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(slow=SLOW), *arguments, *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].split() == ["imported:"]
