"""How regions are split, as typed: chromosomes that are not named are chosen."""

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.cli.options.choices import Split
from experiments.cli.options.regions import SplitOptions


@pytest.fixture
def loaded() -> Any:
    """A dataset of five chromosomes, of which `d` and `c` are chosen where none is named."""
    counts = {"a": 60, "b": 22, "c": 11, "d": 8, "e": 1}
    built = SimpleNamespace(chromosomes=lambda: counts)
    return SimpleNamespace(regions=SimpleNamespace(built=built))


@pytest.mark.parametrize(
    ("named", "val", "test"),
    [
        ({}, ("d",), ("c",)),
        ({"test_chroms": "b"}, ("d",), ("b",)),
        ({"test_chroms": "d"}, ("c",), ("d",)),
        ({"test_chroms": "d,c"}, ("e",), ("d", "c")),
        ({"val_chroms": "c"}, ("c",), ("d",)),
        ({"val_chroms": "a", "test_chroms": "d"}, ("a",), ("d",)),
    ],
)
def test_one_chromosome_is_never_chosen_for_what_another_option_names(loaded, named, val, test):
    sampling = SplitOptions(split=Split.CHROMOSOME, **named).sampling(loaded)
    assert (sampling.val_chroms, sampling.test_chroms) == (val, test)
