"""Which commit of bindgrid runs."""

import subprocess
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def running_commit() -> str:
    """Give the commit of the checkout that bindgrid runs from; empty where it is no checkout."""
    folder = Path(__file__).parents[1]
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
