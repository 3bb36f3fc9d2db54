"""Which bindgrid runs: its commit, and a fingerprint of the code that decides results."""

import hashlib
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


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """Give a hash of the code that runs are executed by, and of the torch that trains them.

    Equal on all machines that have the same files, whatever the folder and whether it is a
    checkout. What torch was built for, such as a version of CUDA, makes no difference.
    """
    import torch

    found = hashlib.blake2b(torch.__version__.partition("+")[0].encode(), digest_size=8)
    root = Path(__file__).parents[1]
    for part in ("data", "model", "orchestrator"):
        for path in sorted((root / part).rglob("*.py")):
            found.update(path.relative_to(root).as_posix().encode() + b"\0")
            found.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return found.hexdigest()
