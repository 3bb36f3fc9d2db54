r"""`bindgrid run` as a Ray job: the same arguments, on a cluster.

::

    ray job submit --address http://127.0.0.1:8265 --working-dir . -- \
        python experiments/grid.py transfer --workspace /shared/workspace

The code travels with the job. The workspace does not: it lies on storage that every node sees
under the same absolute path, and the results stay there.
"""

import os
import sys
from pathlib import Path

# a job starts this file by its path, in an unpacked copy of the checkout
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments.cli.console import complain
from experiments.cli.main import main


def workspace_argument(arguments: list[str]) -> str:
    """Give the workspace that the command line or the environment names, as typed."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in ("--workspace", "-w"):
            return value or next(iter(arguments[position + 1 :]), "")
    return os.environ.get("BINDGRID_WORKSPACE", "")


if __name__ == "__main__":
    if not Path(workspace_argument(sys.argv[1:])).is_absolute():
        complain(
            "a job runs in a copy of the checkout that is thrown away: pass --workspace with an "
            "absolute path on storage that all nodes share"
        )
        sys.exit(2)
    sys.argv.insert(1, "run")
    main()
