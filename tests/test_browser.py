"""The browser of tests and pictures leaves nothing behind."""

import os
import subprocess

import pytest

from docs.browser import end_helpers


def test_what_a_browser_started_ends_with_it():
    started = subprocess.Popen(["sh", "-c", "sleep 60 &"], start_new_session=True)
    started.wait()
    os.killpg(started.pid, 0)  # the sleeper is still there
    end_helpers(started.pid)
    with pytest.raises(ProcessLookupError):
        os.killpg(started.pid, 0)
