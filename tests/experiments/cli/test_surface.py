"""The command line is what `surface.txt` says; see `surface.py` for how to change it."""

from pathlib import Path

from tests.experiments.cli.surface import surface

WRITTEN = Path(__file__).with_name("surface.txt")


def test_names_defaults_and_help_of_all_options_are_as_written_down() -> None:
    assert surface() == WRITTEN.read_text(), (
        "the command line has changed; if that is meant: python -m tests.experiments.cli.surface "
        "> tests/experiments/cli/surface.txt"
    )
