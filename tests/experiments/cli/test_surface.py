"""The command line is what `surface.txt` says; see `surface.py` for how to change it."""

from pathlib import Path

from experiments.registry import EXPERIMENTS, PAPER
from tests.experiments.cli.surface import surface

WRITTEN = Path(__file__).with_name("surface.txt")


def test_names_defaults_and_help_of_all_options_are_as_written_down() -> None:
    assert surface() == WRITTEN.read_text(), (
        "the command line has changed; if that is meant: python -m tests.experiments.cli.surface "
        "> tests/experiments/cli/surface.txt"
    )


def test_the_help_of_run_names_every_experiment_of_the_registry() -> None:
    # by hand, since the registry takes seconds to import, which help should not
    argument = WRITTEN.read_text().split("NAMES (str, repeated), required")[1].split("--tfs")[0]
    told = " ".join(argument.split())
    of_paper = ", ".join(one.name for one in EXPERIMENTS.values() if one.figure)
    others = ", ".join(one.name for one in EXPERIMENTS.values() if not one.figure)
    assert told.startswith(
        f"Experiments: {of_paper}, or {PAPER} for all of these; beyond the paper {others}."
    )
