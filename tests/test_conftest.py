"""What `tests/conftest.py` asks of pytest-xdist does happen."""

from pathlib import Path

import pytest


def test_tests_of_a_file_share_a_process(request: pytest.FixtureRequest) -> None:
    # or every process would make each of its fixtures, and start Ray beside the others
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("tests are not distributed by groups here: `make test` does")
    assert request.node.nodeid.endswith(f"@{Path(__file__).name}")
