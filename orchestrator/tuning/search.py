"""Search fine-tuning settings by Optuna, on Ray Tune.

One Tune trial cross-validates one setting, on one thread, in an actor that takes one setting after
the other (see `orchestrator.backends.ray.run_plan` for what starting an actor costs). Only the
driver records trials, when they end: a trial that was interrupted by a kill or Ctrl-C is not
counted, and the next search resumes with it (`orchestrator.tuning.trials`).

- A trial that raises, for example because a loss is not finite, has failed; it is not counted, and
  another setting is tried instead.
- A worker process that dies is replaced, and its setting is tried again.
- After `MAX_FAILURES` of either kind the search ends, with the reason of the last one.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from ray import tune
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from data.errors import DataError
from model.errors import ModelError
from orchestrator.backends.ray.run_plan import RayOptions
from orchestrator.backends.ray.session import environment, is_cluster, nodes, session, silenced
from orchestrator.backends.ray.storage import check_shared
from orchestrator.backends.ray.worker import given_device
from orchestrator.errors import RunError
from orchestrator.gpus import gpu_room, require_room, share_of_gpu
from orchestrator.tuning.folds import Tuning, cross_validate
from orchestrator.tuning.trials import LOSSES, REASON, SECONDS, TuningStudy
from orchestrator.workspace import Workspace

MAX_FAILURES: Final = 3
"""Failed trials and dead workers together after which a search ends."""

_ONE_TRIAL_PER_CPU: Final = RayOptions()


class _SettingSearcher(OptunaSearch):
    """Gives Tune settings until enough of them have a loss, and records their losses."""

    def __init__(
        self,
        study: TuningStudy,
        num_trials: int,
        num_workers: int,
        on_trial: Callable[[float], None],
    ) -> None:
        super().__init__(
            space=study.tuning.space.distributions(),
            metric="loss",
            mode="min",
            sampler=study.sampler(),
            storage=study.storage,
            study_name=study.tuning.key,
        )
        self._study = study
        self._num_trials = num_trials
        self._num_workers = num_workers
        self._on_trial = on_trial
        self._running: set[str] = set()
        self._num_failures = 0
        self.error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Keep the study and the caller's objects out of the file that Tune writes of itself."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to wait, or FINISHED."""
        num_left = self._num_trials - self._study.num_complete()
        if self.error is not None or num_left <= 0:
            return Searcher.FINISHED
        # a trial that runs may fail, and then another one must replace it
        if len(self._running) >= min(num_left, self._num_workers):
            return None
        try:
            parameters = super().suggest(trial_id)
        except OSError as error:
            self.error = RunError(f"the trials cannot be recorded ({error.strerror})")
            return Searcher.FINISHED
        self._running.add(trial_id)
        return {"parameters": parameters}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record how a trial ended; `error` means that its worker died."""
        self._running.discard(trial_id)
        try:
            self._settle(trial_id, result or {})
        except Exception as unexpected:
            # Tune would treat it as a failure of the trial
            self.error = self.error or unexpected

    def _settle(self, trial_id: str, result: dict[str, Any]) -> None:
        trial = self._ot_trials[trial_id]
        if "loss" not in result:
            died = "the worker process died (out of memory, or killed): try fewer workers"
            self._fail(trial_id, result.get("reason", died), again="reason" not in result)
            return
        trial.set_user_attr(LOSSES, result["losses"])
        trial.set_user_attr(SECONDS, result["seconds"])
        num_before = self._study.num_complete()
        super().on_trial_complete(trial_id, {"loss": result["loss"]})
        if self._study.num_complete() == num_before:
            raise RunError("a trial could not be recorded; is there space on the disk?")
        self._on_trial(result["loss"])

    def _fail(self, trial_id: str, reason: str, *, again: bool) -> None:
        trial = self._ot_trials[trial_id]
        trial.set_user_attr(REASON, reason)
        super().on_trial_complete(trial_id, None, error=True)
        if again:
            self._study.try_again(trial)
        self._num_failures += 1
        if self._num_failures >= MAX_FAILURES:
            self.error = RunError(
                f"{MAX_FAILURES} trials failed; what is complete is kept. The last one: {reason}"
            )

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the study is on disk."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, since nothing is kept."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Keep nothing."""


class _SettingTrainable(tune.Trainable):
    """The actor: scores one setting per `step`, and is given the next by `reset_config`."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first setting."""
        logging.getLogger("ray").setLevel(logging.WARNING)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next setting."""
        self._tuning: Tuning = new_config["tuning"]
        self._parameters: dict[str, Any] = new_config["parameters"]
        self._workspace = Workspace(Path(new_config["workspace"]))
        return True

    def step(self) -> dict[str, Any]:
        """Cross-validate the setting; a failure is a result too, so that the actor lives on."""
        began = time.perf_counter()
        tuning = self._tuning
        try:
            training = tuning.space.training(tuning.first, self._parameters)
            losses = cross_validate(tuning, training, self._workspace, device=given_device())
        except (DataError, ModelError, RunError) as error:
            return {"reason": str(error), "done": True}
        except Exception as error:
            logging.getLogger(__name__).exception("a trial failed")
            return {"reason": f"{type(error).__name__}: {error}", "done": True}
        seconds = time.perf_counter() - began
        return {"loss": fmean(losses), "losses": list(losses), "seconds": seconds, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing: the driver records the losses."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Restore nothing, since nothing is kept."""


def search(
    study: TuningStudy,
    num_trials: int,
    *,
    on_trial: Callable[[float], None],
    options: RayOptions = _ONE_TRIAL_PER_CPU,
) -> None:
    """Try settings on Ray until a number of trials is complete.

    Parameters
    ----------
    study : TuningStudy
        Where trials are recorded; its workspace has the multi-model, complete.
    num_trials : int
        Number of complete trials wanted, including those of earlier searches.
    on_trial : callable
        Called in this process with the loss of each trial that is complete.
    options : RayOptions
        Where Ray trains and how many trials at once, as it does runs; by default one for each CPU
        of this machine.

    Raises
    ------
    RunError
        If Ray cannot be started or reached, a number of the options is out of its range, a GPU is
        lacking, or too many trials failed.
    """
    options.check()
    num_left = num_trials - study.num_complete()
    if num_left <= 0:
        return
    sharing = options.runs_per_gpu
    with session(options.num_workers, options.address, with_gpus=sharing is not None) as num_cpus:
        if is_cluster(options.address):
            check_shared(study.workspace)
        limit = min(options.num_workers or num_cpus, num_left)
        if sharing is not None:
            limit = min(limit, require_room(gpu_room(nodes(), sharing)))
        searcher = _SettingSearcher(study, num_trials, limit, on_trial)
        _tune(searcher, limit, study, sharing)
    if searcher.error is not None:
        raise searcher.error


def _tune(
    searcher: _SettingSearcher, num_workers: int, study: TuningStudy, runs_per_gpu: int | None
) -> None:
    workspace = study.workspace
    name = f"tuning-{uuid.uuid4().hex[:12]}"
    workspace.ray_results.mkdir(parents=True, exist_ok=True)
    trainable: Any = _SettingTrainable  # one CPU each, the default
    if runs_per_gpu is not None:
        trainable = tune.with_resources(trainable, {"cpu": 1, "gpu": share_of_gpu(runs_per_gpu)})
    tuner = tune.Tuner(
        trainable,
        param_space={"tuning": study.tuning, "workspace": str(workspace.root.resolve())},
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(workspace.ray_results),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    try:
        with (
            environment({"TUNE_MAX_PENDING_TRIALS_PG": str(num_workers)}),
            silenced("ray.tune", "ray.train", "ray.air"),
        ):
            tuner.fit()
    finally:
        # the study has all that matters of Tune's own files
        shutil.rmtree(workspace.ray_results / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            workspace.ray_results.rmdir()


def _trial_name(trial: Any) -> str:
    # without it the folder would be named by the whole configuration
    return str(trial.trial_id)
