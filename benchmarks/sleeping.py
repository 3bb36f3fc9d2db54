"""A worker of the Ray backend that sleeps in place of training, for `benchmarks.scale`.

It imports neither torch nor anything else that a sleeping worker does not need, so that many of
them fit a small machine. What its searcher gives it of a run is the key alone; the folder of the
finished run lies ready, and is moved to its place in the run store.
"""

import os
import time
from pathlib import Path
from typing import Any

from ray import tune


class SleepingTrainable(tune.Trainable):
    """The actor: sleeps for one run per `step`, and is given the next by `reset_config`."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first run."""
        self._workspace = Path(config["workspace"])
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next run."""
        self._key: str | None = new_config["planned"]
        self._idle_seconds: float = new_config["idle_seconds"]
        return True

    def step(self) -> dict[str, Any]:
        """Sleep for as long as the run's folder says, and move the folder to its place."""
        if self._key is None:
            time.sleep(self._idle_seconds)
            return {"idle": True}
        ready = self._workspace / "ready" / self._key
        time.sleep(float((ready / "seconds").read_text()))
        (ready / "seconds").unlink()
        os.replace(ready, self._workspace / "runs" / self._key)
        return {"status": "completed", "error": "", "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Restore nothing."""
