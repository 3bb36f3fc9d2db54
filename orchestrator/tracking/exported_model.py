"""A model as a folder that `mlflow.pyfunc.load_model` loads, without bindgrid and without a store.

It is one TF's model with all its replicates, or the base with some or all of its TFs; what it
returns is what `bindgrid predict` gives (`orchestrator.tracking.served_model`).
"""

import json
import shutil
from pathlib import Path
from typing import Any

from data.atomic import whole_folder
from model.calibration import Calibration
from model.checkpoint import CONFIG_FILE, WEIGHTS_FILE
from orchestrator.errors import RunError
from orchestrator.prediction.targets import OneTF, Target
from orchestrator.tracking.pyfunc_folder import write_pyfunc
from orchestrator.tracking.served_model import PROBABILITY, SETTINGS_FILE


def export_pyfunc(target: Target, folder: Path) -> None:
    """Write the folder; it appears at once.

    Parameters
    ----------
    target
        What is predicted. A single TF is returned as `probability`, several by their names.
    folder
        Where to write.

    Raises
    ------
    RunError
        If something is at `folder`.
    OSError
        If it cannot be written.
    """
    if folder.exists():
        raise RunError(f"{folder}: something is there already; name another folder")
    columns = [PROBABILITY] if isinstance(target, OneTF) else list(target.tfs)
    networks = []
    with whole_folder(folder) as partial:
        for number, network in enumerate(target.networks(), start=1):
            own = partial / "data" / f"replicate-{number}"
            own.mkdir(parents=True)
            for name in (WEIGHTS_FILE, CONFIG_FILE):
                shutil.copyfile(network.folder / name, own / name)
            networks.append(
                {
                    "folder": own.name,
                    "outputs": list(network.outputs),
                    **_calibrations(network.calibrations),
                }
            )
        settings = {"columns": columns, "networks": networks}
        text = json.dumps(settings, indent=1) + "\n"
        (partial / "data" / SETTINGS_FILE).write_text(text, encoding="utf-8")
        write_pyfunc(partial, columns, None)


def _calibrations(calibrations: tuple[Calibration, ...]) -> dict[str, Any]:
    return {
        "slopes": [one.slope for one in calibrations],
        "intercepts": [one.intercept for one in calibrations],
    }
