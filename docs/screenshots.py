"""Make the pictures of MLflow's UI in this folder, from any workspace with finished runs.

    python -m docs.screenshots --workspace DIR [--experiment transfer] [--tf SPI1] [--out docs]
    python -m docs.screenshots --card DIR/report/tf/NAME.html [--out docs]

The second makes `card.png`, the top of a TF's card, and nothing else.

`mlflow-first.png` shows the first page, `mlflow-runs.png` the runs of an experiment opened from
MLflow's list, and `mlflow-compare.png` the comparison of a TF's run by transfer with its run from
scratch. The script needs Chromium (Debian:
package chromium). It logs the runs that MLflow lacks, and starts MLflow's server on a free port.
"""

import argparse
import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from docs.browser import BrowserError, Page, browser
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import tracking_uri
from orchestrator.tracking.sync import MlflowView
from orchestrator.tracking.ui import mlflow_server
from orchestrator.workspace import Workspace

FIRST_FILE = "mlflow-first.png"
RUNS_FILE = "mlflow-runs.png"
COMPARE_FILE = "mlflow-compare.png"
CARD_FILE = "card.png"
_NUM_COLOURS = 64
_HEADERS = ("tf", "arm", "pretraining_set", "group", "replicate", "num_bound", "mcc")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Names of two MLflow runs to compare."""

    transfer: str
    scratch: str


def main() -> None:
    """Run the script."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        if options.card is not None:
            picture_card(options.card, options.out / CARD_FILE)
            return
        place = Workspace(options.workspace)
        store = RunStore(place)
        pair = find_pair(store, options.experiment, options.tf)
        view = MlflowView(place)
        view.sync(store)
        with (
            mlflow_server(place, tracking_uri(place), "127.0.0.1", free_port()) as server,
            browser(width=1440, height=900) as page,
        ):
            page.open(f"{server.url}/")
            page.wait_for_text("Transfer beside scratch", options.experiment)
            page.screenshot(options.out / FIRST_FILE)
            page.open(f"{server.url}/#/experiments/{view.views.experiment_id(options.experiment)}")
            show_runs(page, pair)
            page.screenshot(options.out / RUNS_FILE)
            compare(page, pair)
            show_metrics(page)
            page.screenshot(options.out / COMPARE_FILE)
    except (BrowserError, RunError) as error:
        sys.exit(str(error))
    for name in (FIRST_FILE, RUNS_FILE, COMPARE_FILE):
        _shrink(options.out / name)


def picture_card(card: Path, path: Path) -> None:
    """Make a picture of the top of a card."""
    with browser(width=1080, height=960) as page:
        page.open(card.resolve().as_uri())
        page.wait_for_text("Verdict on its model")
        page.screenshot(path)
    _shrink(path, num_colours=256)


def _shrink(path: Path, num_colours: int = _NUM_COLOURS) -> None:
    """Reduce a picture to few colours, which make a file of a quarter of the size."""
    Image.open(path).convert("RGB").quantize(num_colours).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


def find_pair(store: RunStore, experiment: str, tf: str) -> Pair:
    """Give the names of a TF's newest run by transfer and of its pair from scratch.

    Raises
    ------
    RunError
        If there is none.
    """
    roles = [role for _, role in store.with_roles() if role.experiment == experiment]
    for role in reversed(roles):
        if role.arm == "transfer" and tf in ("", role.tf):
            twins = [other for other in roles if _is_twin(role, other)]
            if twins:
                return Pair(transfer=role.name, scratch=twins[-1].name)
    raise RunError(f"{store.workspace.runs}: no pair of transfer and scratch for {tf or 'any TF'}")


def _is_twin(role: PlannedRun, other: PlannedRun) -> bool:
    same = (role.tf, role.replicate) == (other.tf, other.replicate)
    return same and other.arm == "scratch" and role.spec.regions == other.spec.regions


def show_runs(page: Page, pair: Pair) -> None:
    """Wait until an experiment's page shows both runs and our columns."""
    page.wait_for_text(pair.transfer, pair.scratch, *_HEADERS)


def compare(page: Page, pair: Pair) -> None:
    """Tick both runs in the table, press Compare, and wait for the comparison."""
    for name in (pair.transfer, pair.scratch):
        row = (
            "[...document.querySelectorAll('.ag-row')]"
            f".find(row => row.innerText.includes({json.dumps(name)}))"
        )
        box = f"{row}?.querySelector('.ag-checkbox-input')"
        is_ticked = f"{row}.classList.contains('ag-row-selected')"
        page.click(box)
        # the first tick moves the table: the next click must not come before
        try:
            page.wait(is_ticked, seconds=20.0)
        except BrowserError:  # the table was drawn anew, and the click went nowhere
            page.click(box)
            page.wait(is_ticked)
    page.click(
        "[...document.querySelectorAll('button')]"
        ".find(button => button.innerText === 'Compare' && !button.disabled)"
    )
    page.wait("location.hash.startsWith('#/compare-runs')")
    page.wait_for_text("Comparing 2 Runs", pair.transfer, pair.scratch)


def show_metrics(page: Page) -> None:
    """Fold all of a comparison but run details and metrics, and wait until nothing moves."""
    for section, content in (("Visualizations", "Parallel Coordinates"), ("Parameters", "conv_")):
        page.click(_header(section))
        page.wait(f"!document.body.innerText.includes({json.dumps(content)})")
    page.evaluate(f"{_header('Run details')}.scrollIntoView({{block: 'center'}})")
    page.evaluate("new Promise(done => setTimeout(done, 1000))")


def _header(text: str) -> str:
    """Give the expression for the header of a section that can be folded."""
    return (
        "[...document.querySelectorAll('[role=button], button')]"
        f".find(header => header.innerText.trim() === {json.dumps(text)})"
    )


def free_port() -> int:
    """Give a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--workspace", type=Path, help="with finished runs")
    what.add_argument("--card", type=Path, help="page of a TF's card")
    parser.add_argument("--experiment", default="transfer")
    parser.add_argument("--tf", default="", help="TF to compare; default: that of the newest run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    return parser.parse_args()


if __name__ == "__main__":
    main()
