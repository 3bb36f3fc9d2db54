"""What a benchmark ran on, and how its numbers are printed."""

import datetime
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

Row = Sequence[str]
"""Cells of a line of a table."""


def describe() -> str:
    """Date, CPU, logical cores, Python, torch, commit, load; a note where it is high."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    parts = [
        datetime.date.today().isoformat(),
        f"{_cpu()} ({os.cpu_count()} logical cores)",
        f"Python {platform.python_version()}",
        f"torch {torch.__version__}",
        f"commit {commit.stdout.strip() or 'unknown'}",
        f"load before {os.getloadavg()[0]:.1f}",
    ]
    line = ", ".join(parts)
    if os.getloadavg()[0] > 0.5:
        line += (
            "\nNOTE: other work was running; of these numbers only ratios on one thread mean much"
        )
    return line


def table(header: Row, rows: Iterable[Row]) -> str:
    """Markdown table, columns after the first aligned on the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def cells(line: list[str]) -> list[str]:
        first = line[0].ljust(widths[0])
        return [first, *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]

    return "\n".join(f"| {' | '.join(cells(line))} |" for line in [lines[0], rule, *lines[1:]])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or "unknown CPU"
