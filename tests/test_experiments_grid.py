import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GRID = Path(__file__).parents[1] / "experiments" / "grid.py"
ARGUMENTS = ["transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--dry-run", "--json"]


def grid(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the file by its path from another folder, as a job does."""
    environment = {n: v for n, v in os.environ.items() if n != "BINDGRID_WORKSPACE"}
    command = [sys.executable, str(GRID), *ARGUMENTS, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_job_takes_the_arguments_of_run(workspace, tmp_path):
    done = grid(tmp_path, "--workspace", str(workspace.root))
    assert done.returncode == 0, done.stderr
    arms = [run["arm"] for run in json.loads(done.stdout)["runs"]]
    assert arms == ["multi", "scratch", "transfer"]


@pytest.mark.parametrize("arguments", [[], ["--workspace", "workspace"], ["-w", "workspace"]])
def test_a_workspace_that_would_vanish_with_the_job_is_refused(workspace, arguments):
    done = grid(workspace.root.parent, *arguments)
    assert done.returncode == 2
    assert "pass --workspace with an absolute path" in done.stderr
    assert done.stderr.count("\n") == 1
