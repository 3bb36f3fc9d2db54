"""Who holds a lock: noted in the file that is locked, for the message to whoever is refused."""

import json
import os
import socket
import sys
from datetime import datetime
from io import FileIO
from pathlib import Path


def sign(file: FileIO) -> None:
    """Note this process in the file that it has locked.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().isoformat(" ", timespec="seconds"),
        "command": " ".join(sys.argv)[:200],
    }
    file.truncate(0)
    file.write(json.dumps(holder).encode())


def holder_of(path: Path) -> str:
    """Say in words which process has locked a file."""
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return "another process"
    return "process {pid} on {host} since {since} ({command})".format(**holder)
