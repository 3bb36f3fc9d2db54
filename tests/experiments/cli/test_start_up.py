"""What a command imports: the libraries that take seconds come only where they are used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.tiny import random_bases, tiny_dataset

pytestmark = pytest.mark.slow  # a process for each command

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
    assert imported(*arguments, *more) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("tf", "list"),
        ("data", "show"),
        # what measures this machine trains in processes of its own
        ("run", "transfer", "--dry-run", "--pretrain-tfs", "2", "--precision", "float32"),
    ],
)
def test_looking_at_a_dataset_or_a_plan_imports_no_library_that_is_slow(tmp_path, arguments):
    tiny_dataset(tmp_path / "dataset")
    assert imported(*arguments, "-w", str(tmp_path)) == []


@pytest.mark.parametrize("command", ["predict", "variants"])
def test_a_prediction_imports_torch_and_nothing_else_that_is_slow(tmp_path, base, command):
    bases = random_bases(1, 2000)
    genome = tmp_path / "genome.fa"
    genome.write_text(f">chr1\n{bases}\n")
    allele = bases[540]
    other = "C" if allele == "A" else "A"
    (tmp_path / "one.bed").write_text("chr1\t500\t700\n")
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "one.vcf").write_text(f"{header}chr1\t541\t.\t{allele}\t{other}\t.\t.\t.\n")
    what = ("--bed", "one.bed") if command == "predict" else ("--vcf", "one.vcf")
    words = (command, base.tfs[0], what[0], str(tmp_path / what[1]), "--genome", str(genome))
    assert imported(*words, "--out", str(tmp_path / "out.tsv")) == ["torch"]


def imported(*arguments: str) -> list[str]:
    """Run a command in a process of its own; the slow libraries that it imports."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(slow=SLOW), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1].split()[1:]


def test_what_looks_whether_mlflow_lacks_anything_imports_no_library_that_is_slow():
    code = f"import sys, orchestrator.tracking.sync; print(set(sys.modules) & set({SLOW!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_products_of_matrices_are_computed_on_one_thread():
    code = (
        "import experiments, numpy, scipy.linalg, threadpoolctl; "
        "print([one['num_threads'] for one in threadpoolctl.threadpool_info() "
        "if one['internal_api'] == 'openblas'])"
    )
    without = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=without
    )
    # NumPy and SciPy have a library each
    assert ended.stdout.strip() in ("[1, 1]", "[1]", "[]")
    asked = {**without, "OPENBLAS_NUM_THREADS": "2"}
    again = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=asked
    )
    assert again.stdout.strip() == ended.stdout.strip().replace("1", "2"), "what the user says"


def test_libraries_are_imported_without_looking_through_them_for_garbage() -> None:
    # `orchestrator` is imported before any of them, by each command and each worker of Ray's
    script = "import gc, orchestrator, pandas; print(gc.get_stats()[2]['collections'])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == 0
