"""Options of the files of a user's own TF."""

import pytest

from data.dataset.added import PeakChoice
from experiments.cli.options.jaspar import JasparOptions
from experiments.cli.options.peaks import PeakOptions
from experiments.cli.tf.files import FileOptions
from orchestrator.errors import RunError


def test_biosamples_that_are_not_all_listed_are_counted(tmp_path):
    options = FileOptions(peaks=[tmp_path / "p.bed"], counted=PeakOptions(), jaspar=JasparOptions())
    with pytest.raises(RunError, match="the dataset has: a, b, c, d, e and 2 more"):
        options.paired("abcdefg", PeakChoice())
