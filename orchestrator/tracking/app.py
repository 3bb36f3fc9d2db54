"""MLflow's server with bindgrid's first page: `mlflow server --app-name bindgrid`.

An app of MLflow, which finds it by the entry point `mlflow.app` of this package. `bindgrid ui`
serves it. It adds to what MLflow serves, all under one address:

- `/`: MLflow's UI as it is, after a script that shows ``bindgrid/`` where the address names no
  page of MLflow. The script also sets what the UI keeps in the browser (localStorage), once: that
  models are trained here, that the assistant is closed, and for each experiment the columns and
  the order of its saved view. What the user changes afterwards stays
- `/bindgrid/`: the first page (`orchestrator.tracking.front_page`)
- `/bindgrid/report/`: the files of the workspace's report, with the verdicts in its ``tf/``. Only
  files below that folder are served, none by a link that leads out of it

The keys are those of MLflow 3.17. A version that has others shows its own defaults, and nothing
breaks. Host names are checked by MLflow, for these pages as for its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.tracking.front_page import front_page
from orchestrator.tracking.views import table_state
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from fastapi import FastAPI
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from starlette.routing import BaseRoute

APP: Final = "bindgrid"
"""Name of the app, for `mlflow server --app-name`."""
WORKSPACE_VARIABLE: Final = "BINDGRID_WORKSPACE"
"""Environment variable with the folder whose report and verdicts are served; none by default."""
_UI_KEYS: Final = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
_EXPERIMENT_KEY: Final = "MLflowLocalStorage-1.1-ExperimentPage-{}-ReactComponentState"
_SCRIPT_TAG: Final = '<script src="bindgrid/start.js"></script>'
_SCRIPT: Final = """\
// MLflow's UI starts on bindgrid's page, and with what is set here, once, of what it keeps.
(() => {
  const first = "bindgrid/", isHome = (hash) => hash === "" || hash === "#/";
  if (isHome(location.hash)) { location.replace(first); return; }
  for (const [key, value, mark] of SETTINGS) {
    if (localStorage.getItem("bindgrid " + key) === mark) continue;
    localStorage.setItem(key, value);
    localStorage.setItem("bindgrid " + key, mark);
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link && link.pathname === location.pathname && link.getAttribute("href") === "#/") {
      event.preventDefault();
      event.stopPropagation();
      location.assign(first);
    }
  }, true);
})();
"""
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
}


def create_app() -> FastAPI:
    """Make the app; called by MLflow's server in each of its processes."""
    from mlflow import MlflowClient
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR
    from mlflow.server.fastapi_app import app

    folder = os.environ.get(WORKSPACE_VARIABLE)
    workspace = Workspace(Path(folder)) if folder else None
    mlflow = MlflowClient(os.environ.get(BACKEND_STORE_URI_ENV_VAR))
    # before the routes of MLflow, whose last one takes every address
    app.router.routes[:0] = _routes(mlflow, workspace)
    return app


def _routes(mlflow: MlflowClient, workspace: Workspace | None) -> list[BaseRoute]:
    from mlflow.server import app as pages
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, RedirectResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    index = (Path(str(pages.static_folder)) / "index.html").read_text()

    def start(request: Request) -> Response:
        return HTMLResponse(with_script(index), headers={"Cache-Control": "no-cache"})

    def first(request: Request) -> Response:
        return HTMLResponse(front_page(mlflow, workspace))

    def script(request: Request) -> Response:
        return Response(start_script(mlflow.search_experiments()), media_type="text/javascript")

    async def add_headers(request: Request, answer: Any) -> Response:
        response: Response = await answer(request)
        response.headers.update(_HEADERS)
        return response

    below: list[BaseRoute] = [Route("/", first), Route("/start.js", script)]
    if workspace is not None:
        # the report may be made while the server runs
        below.append(Mount("/report", StaticFiles(directory=workspace.report, check_dir=False)))
    middleware = [Middleware(BaseHTTPMiddleware, dispatch=add_headers)]
    return [
        Route("/", start),
        Route("/bindgrid", lambda request: RedirectResponse("bindgrid/")),
        Mount("/bindgrid", routes=below, middleware=middleware),
    ]


def with_script(index: str) -> str:
    """Put the script before all others of MLflow's page, so that it runs first."""
    before, tag, after = index.partition("<script")
    return f"{before}{_SCRIPT_TAG}{tag}{after}" if tag else index


def start_script(experiments: Iterable[Experiment]) -> str:
    """Write the script that sets what MLflow's UI keeps in the browser, for some experiments."""
    settings = [[key, value, "1"] for key, value in _UI_KEYS.items()]
    for experiment in experiments:
        state = table_state(experiment)
        if state is not None:
            ids = json.dumps([experiment.experiment_id])
            # another workspace that was served here has other experiments with the same numbers
            what = f"{experiment.creation_time} {experiment.name} {state}"
            mark = hashlib.sha256(what.encode()).hexdigest()[:16]
            settings.append([_EXPERIMENT_KEY.format(ids), state, mark])
    return f"const SETTINGS = {json.dumps(settings)};\n{_SCRIPT}"
