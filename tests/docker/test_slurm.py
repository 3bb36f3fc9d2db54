"""The batch script for Slurm, with a stand-in for `srun` that starts the tasks on this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docker" / "slurm" / "bindgrid.sbatch"
PLAN = ["transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--dry-run", "--json"]
PLAN += ["--precision", "float32"]  # or the nodes would be measured

# Slurm's own starts one task on each node and tells it which one it is. scancel signals them.
SRUN = """#!/bin/bash
set -m
while [[ $1 == --* ]]; do shift; done
for ((task = 0; task < SLURM_JOB_NUM_NODES; task++)); do
    SLURM_PROCID=$task "$@" &
    echo $! >> "$TASKS"
done
wait
"""
SCANCEL = """#!/bin/bash
[[ $* == "--signal=TERM $SLURM_JOB_ID.0" ]] || exit 1
while read -r task; do kill -TERM -- "-$task"; done < "$TASKS"
"""


def batch(folder: Path, *arguments: str, nodes: int = 1) -> subprocess.CompletedProcess[str]:
    """Run the script as Slurm's first node would."""
    programs = folder / "programs"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scancel", SCANCEL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    foreign = ("RAY_", "SLURM_", "BINDGRID", "MLFLOW_")
    environment = {name: v for name, v in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TASKS": str(folder / "tasks"),
        "BINDGRID": str(Path(sys.executable).parent),
        "SLURM_SUBMIT_DIR": str(ROOT),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_CPUS_PER_TASK": "1",
    }
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )


def leftovers() -> list[Path]:
    return list(Path("/tmp").glob(f"ray-{os.getpid()}-*"))


@pytest.mark.slow
@pytest.mark.timeout(600)  # Ray starts for each node, and its head takes half a minute to stop
@pytest.mark.xdist_group("ray-waiting")
def test_a_study_runs_on_the_nodes_of_a_job_and_nothing_is_left(workspace, tmp_path):
    done = batch(tmp_path, *PLAN, "--workspace", str(workspace.root), nodes=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ray is up on 2 of 2 nodes" in done.stdout
    assert '"arm": "transfer"' in done.stdout
    assert not leftovers()


@pytest.mark.slow
@pytest.mark.timeout(600)  # Ray starts for each node, and its head takes half a minute to stop
@pytest.mark.xdist_group("ray-waiting")
def test_a_study_that_cannot_start_is_a_job_that_failed(tmp_path):
    done = batch(tmp_path, *PLAN, "--workspace", "relative")
    assert done.returncode == 2
    assert "pass --workspace with an absolute path" in done.stderr
    assert not leftovers()


def test_a_job_without_the_program_says_what_to_set(tmp_path):
    done = subprocess.run(
        ["bash", str(SCRIPT)],
        env={"PATH": os.environ["PATH"], "SLURM_SUBMIT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"{tmp_path}/.venv/bin: neither a folder with bindgrid's programs nor an image; "
        "set BINDGRID\n"
    )


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="Slurm (slurm-wlm) is not installed")
def test_slurm_understands_the_options_of_the_script():
    done = subprocess.run(
        ["sbatch", "--test-only", str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert "invalid option" not in done.stderr
    assert "unrecognized option" not in done.stderr
