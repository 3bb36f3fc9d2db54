"""The connection to MLflow, and the few requests that all writers make.

`TrackingClient` is held by the writers of runs (`orchestrator.tracking.runs`), motifs, models,
verdicts, trials, summaries and views. Only `MlflowClient` is used: the fluent API and a call per
epoch are ten times slower and leave runs half written.

The tracking URI is `MLFLOW_TRACKING_URI`, and the workspace's own SQLite file without one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, final

from orchestrator.errors import RunError
from orchestrator.tracking.database import open_database
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Metric, Param, Run

# Read when mlflow is imported, which is deferred since it takes seconds. What the user has set is
# left as it is.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # two lines for each run that ends, with the address of the server and what is in it
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # by default MLflow tries seven times, for minutes, to reach a server that does not answer
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)

NOTE_TAG: Final = "mlflow.note.content"
"""Markdown that MLflow's UI shows as the description of a run or an experiment."""
WORKSPACE_TAG: Final = "workspace"
"""Folder of the workspace that an MLflow run of a plan is about."""
NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_PER_BATCH = 100
MAX_TAG_CHARACTERS = 5000
MAX_EXPERIMENTS = 1000

_SECRETS: Final = (
    *("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)
"""Environment variables that no message may repeat."""

_Answer = TypeVar("_Answer")

_MOST_TRIES: Final = 5
"""Tries of a request that several drivers make at the same moment."""

REMEDY: Final = "nothing is lost, `bindgrid mlflow sync` logs what is missing"


class TrackingError(RunError):
    """MLflow cannot be reached, or refused what was logged."""


def tracking_uri(workspace: Workspace) -> str:
    """Return `MLFLOW_TRACKING_URI`, or the workspace's SQLite file as a URI."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.mlflow_db.resolve()}"


def is_server(uri: str) -> bool:
    """Whether a tracking URI is that of a server of MLflow, and not of a database."""
    return uri.startswith(("http://", "https://"))


def is_database(uri: str) -> bool:
    """Whether a tracking URI is that of a database, to which MLflow is logged without a server."""
    return uri.partition(":")[0].partition("+")[0] in ("postgresql", "mysql", "mssql", "sqlite")


def without_password(text: str) -> str:
    """Hide user and password in URIs such as `https://me:secret@host`."""
    return re.sub(r"(?<=://)[^\s/]*@", "***@", text)


def among_drivers(do: Callable[[], _Answer]) -> _Answer:
    """Make a request, and repeat it where another driver made the same one at that moment.

    The database lets one of them make the row that both need and refuses the other, which finds
    the row with its next try.
    """
    from mlflow.exceptions import MlflowException

    for _ in range(_MOST_TRIES - 1):
        try:
            return do()
        except MlflowException as error:
            if error.error_code != "BAD_REQUEST":
                raise
    return do()


@contextlib.contextmanager
def there_already() -> Iterator[None]:
    """Ignore the error that something exists already, since another driver made it meanwhile."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@final
class TrackingClient:
    """A connection to MLflow.

    Nothing is opened before the first request. Not for use from two threads at once.

    Parameters
    ----------
    workspace : Workspace
        Whose runs are logged, and where the SQLite file is unless `MLFLOW_TRACKING_URI` is set.

    Attributes
    ----------
    uri, shown_uri : str
        Where MLflow is, and the same without a password, which is what people are shown.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.uri = tracking_uri(workspace)
        self.shown_uri = without_password(self.uri)
        self._mlflow: MlflowClient | None = None
        self._experiment_ids: dict[str, str] = {}

    @property
    def mlflow(self) -> MlflowClient:
        """MLflow's own client, for what a single writer requests."""
        if self._mlflow is None:
            from mlflow import MlflowClient

            # alembic and MLflow log each table that they make
            for name in ("alembic", "mlflow"):
                logging.getLogger(name).setLevel(logging.ERROR)
            # and the traceback of what a database refuses, which is told in a line
            logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)
            self.open_database()
            self._mlflow = MlflowClient(self.uri)
        return self._mlflow

    def open_database(self) -> None:
        """Make the workspace's own SQLite file if there is none yet; see if another is there.

        MLflow tries ten times to reach a database, for 100 s and without a word.
        """
        if self.is_own_database:
            open_database(self.workspace)
        elif is_database(self.uri):
            from sqlalchemy import create_engine

            engine = create_engine(self.uri)
            engine.connect().close()
            engine.dispose()

    @property
    def is_own_database(self) -> bool:
        """Whether MLflow is the workspace's own SQLite file."""
        return not os.environ.get("MLFLOW_TRACKING_URI")

    def experiment_id(self, name: str, tags: Callable[[Experiment], dict[str, str]]) -> str:
        """Find an MLflow experiment, or make it.

        Parameters
        ----------
        name
            The experiment's name.
        tags
            Gives the tags that the experiment should have and does not.
        """
        if name not in self._experiment_ids:
            self._experiment_ids[name] = self._find_or_make_experiment(name, tags)
        return self._experiment_ids[name]

    def _find_or_make_experiment(
        self, name: str, tags: Callable[[Experiment], dict[str, str]]
    ) -> str:
        found = self.mlflow.get_experiment_by_name(name)
        if found is None:
            with there_already():
                self.mlflow.create_experiment(name, artifact_location=self._artifact_location())
            found = self.mlflow.get_experiment_by_name(name)
            assert found is not None
        elif found.lifecycle_stage == "deleted":
            self.mlflow.restore_experiment(found.experiment_id)
        for tag, text in tags(found).items():
            among_drivers(partial(self.mlflow.set_experiment_tag, found.experiment_id, tag, text))
        return str(found.experiment_id)

    def _artifact_location(self) -> str | None:
        """Where artifacts go: a server decides that itself, a database would use this directory."""
        if not is_database(self.uri):
            return None
        root = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT")
        if root and not self.is_own_database:
            return root
        return self.workspace.mlflow_artifacts.resolve().as_uri()

    def experiments(self) -> Sequence[Experiment]:
        """Give all experiments of MLflow, those that bindgrid has not made included."""
        found: list[Experiment] = []
        token = None
        while True:
            page = self.mlflow.search_experiments(max_results=MAX_EXPERIMENTS, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def all_runs(self, *experiment_ids: str, where: str = "") -> Iterator[Run]:
        """Yield the MLflow runs of some experiments, a page at a time.

        Parameters
        ----------
        where
            MLflow's filter; none by default.
        """
        token = None
        while True:
            page = self.mlflow.search_runs(
                list(experiment_ids), where, max_results=1000, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def runs_with_key(self, key: str, experiment_id: str) -> Sequence[Run]:
        """Give the MLflow runs of an experiment that have a run key, whatever their status."""
        return self.mlflow.search_runs([experiment_id], f"tags.key = {quoted(key)}")

    def finished_run(self, key: str, experiment_ids: list[str] | None = None) -> Run | None:
        """Find a finished MLflow run by its run key, among all experiments by default."""
        if experiment_ids is None:
            experiment_ids = [experiment.experiment_id for experiment in self.experiments()]
        text = f"tags.key = {quoted(key)} and attributes.status = 'FINISHED'"
        found = self.mlflow.search_runs(experiment_ids, text, max_results=1)
        return found[0] if found else None

    def log_batches(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Mapping[str, str] = NO_TAGS,
    ) -> None:
        """Log metrics, parameters and tags of a run, in one request where MLflow takes it in one.

        MLflow takes 100 tags, which no run of bindgrid has.
        """
        from mlflow.entities import RunTag

        room = MAX_METRICS_PER_BATCH - MAX_PARAMS_PER_BATCH - len(tags)
        rest = list(metrics)
        own = [RunTag(name, text) for name, text in tags.items()]
        for first in range(0, max(1, len(params)), MAX_PARAMS_PER_BATCH):
            some = params[first : first + MAX_PARAMS_PER_BATCH]
            self.mlflow.log_batch(run_id, rest[:room], some, own)
            rest, own = rest[room:], []
        for first in range(0, len(rest), MAX_METRICS_PER_BATCH):
            self.mlflow.log_batch(run_id, rest[first : first + MAX_METRICS_PER_BATCH])

    @contextlib.contextmanager
    def translated(self, remedy: str = REMEDY) -> Iterator[None]:
        """Turn what MLflow, the database and the network raise into one line with a remedy.

        Raises
        ------
        TrackingError
            In place of the error.
        """
        try:
            yield
        except (RunError, KeyboardInterrupt):
            raise
        except Exception as error:
            lines = str(error).strip().splitlines()
            reason = self._without_secrets(lines[0] if lines else type(error).__name__)
            raise TrackingError(
                f"MLflow at {self.shown_uri} does not take the runs ({reason[:200]}): "
                f"{self._advice(error)}; {remedy}"
            ) from error

    def _advice(self, error: Exception) -> str:
        """Say what the user can do about what MLflow, the database or the network raised."""
        from mlflow.exceptions import MlflowException

        if self.is_own_database:
            return "free space or check rights; a damaged file may be removed"
        if isinstance(error, ModuleNotFoundError):
            return f"pip install {error.name} beside bindgrid"
        status = error.get_http_status_code() if isinstance(error, MlflowException) else None
        if status == 401:
            return (
                "it asks for a login: set MLFLOW_TRACKING_TOKEN, or "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        if status == 403:
            return "you are logged in but not allowed to write: ask the server's administrator"
        if type(error).__module__.partition(".")[0] in ("boto3", "botocore"):
            return (
                "artifacts go to S3 from here: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
                "MLFLOW_S3_ENDPOINT_URL"
            )
        return "check that it is up and MLFLOW_TRACKING_URI is right"

    def _without_secrets(self, text: str) -> str:
        """Mask passwords and tokens, also where a server repeats them in its answer."""
        for name in _SECRETS:
            if secret := os.environ.get(name):
                text = text.replace(secret, "***")
        return without_password(text)


def quoted(text: str) -> str:
    """Write a text as MLflow's filters take it."""
    return "'" + text.replace("'", "''") + "'"
