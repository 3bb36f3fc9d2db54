"""A folder that MLflow's pyfunc loads: networks, the code that reads them, and an example."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from orchestrator.runs.store import StoredRun
from orchestrator.tracking import served_model

FOLDER: Final = "model"
"""Name of a network's folder in MLflow, for a model that MLflow does not know."""
_LOADER: Final = "bindgrid_model"
_ENTRY_MODULES: Final = ("checkpoint", "encoding")
"""What the loader imports of the package `model`."""
_REQUIREMENTS: Final = ("mlflow", "numpy", "pandas", "safetensors", "torch")
WEIGHTS: Final = "weights.safetensors"
_CONFIG: Final = "network.json"
_EXAMPLE: Final = "input_example.json"
_SERVED_EXAMPLE: Final = "serving_input_example.json"


def write_model(run: StoredRun, folder: Path, run_id: str, model_id: str | None = None) -> None:
    """Write what MLflow's pyfunc loads: a folder with the network and the code that reads it.

    Parameters
    ----------
    folder
        An empty one.
    run_id, model_id
        MLflow's, of the run and of the model; by default the model is an artifact of the run.
    """
    (folder / "data").mkdir()
    shutil.copyfile(run.path / _CONFIG, folder / "data" / _CONFIG)
    try:
        os.link(run.path / WEIGHTS, folder / "data" / WEIGHTS)
    except OSError:  # another file system, or one without links
        shutil.copyfile(run.path / WEIGHTS, folder / "data" / WEIGHTS)
    write_pyfunc(folder, [served_model.PROBABILITY], run_id, model_id)


def write_pyfunc(
    folder: Path, columns: Sequence[str], run_id: str | None, model_id: str | None = None
) -> None:
    """Write what makes a folder a model of MLflow's pyfunc, beside the networks in its `data`.

    Parameters
    ----------
    folder
        Has the folder `data`, as `orchestrator.tracking.served_model` reads it.
    columns
        Columns that the model returns.
    run_id
        MLflow's, of the run; None for a model that belongs to no run of MLflow.
    model_id
        MLflow's, of the model; None by default, for a folder that MLflow does not know.
    """
    with warnings.catch_warnings():
        # MLflow warns of its own type hints
        warnings.simplefilter("ignore")
        from mlflow.models import Model, ModelSignature
        from mlflow.pyfunc import add_to_model
        from mlflow.types.schema import ColSpec, Schema

    code = folder / "data" / "code" / "model"
    code.mkdir(parents=True)
    for path in shipped_files():
        shutil.copyfile(path, code / path.name)
    (folder / "code").mkdir()
    shutil.copyfile(served_model.__file__, folder / "code" / f"{_LOADER}.py")
    pins = [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join([*pins, ""]))
    environment = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    (folder / "python_env.yaml").write_text(json.dumps(environment) + "\n")  # JSON is YAML
    signature = ModelSignature(
        inputs=Schema([ColSpec("string", served_model.COLUMN)]),
        outputs=Schema([ColSpec("double", column) for column in columns]),
    )
    described = Model(
        artifact_path=None if model_id else FOLDER,
        run_id=run_id,
        signature=signature,
        model_id=model_id,
        saved_input_example_info=_write_example(folder),
    )
    add_to_model(
        described, loader_module=_LOADER, data="data", code="code", python_env="python_env.yaml"
    )
    described.save(str(folder / "MLmodel"))


def _write_example(folder: Path) -> dict[str, str]:
    """Write a table to try the model on, in MLflow's two formats; gives what MLmodel says of it."""
    config = json.loads(next((folder / "data").rglob(_CONFIG)).read_text())
    sequence = ("ACGT" * config["length_bp"])[: config["length_bp"]]
    table = {"columns": [served_model.COLUMN], "data": [[sequence]]}
    (folder / _EXAMPLE).write_text(json.dumps(table))
    (folder / _SERVED_EXAMPLE).write_text(json.dumps({"dataframe_split": table}))
    return {
        "artifact_path": _EXAMPLE,
        "type": "dataframe",
        "pandas_orient": "split",
        "serving_input_path": _SERVED_EXAMPLE,
    }


def shipped_files() -> list[Path]:
    """Files of the package `model` that a network's loader needs, including what they import."""
    import model

    assert model.__file__ is not None
    package = Path(model.__file__).parent
    needed: dict[str, Path] = {}
    waiting = list(_ENTRY_MODULES)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = package / f"{name}.py"
            waiting += _imported(needed[name])
    return [package / "__init__.py", *needed.values()]


def _imported(path: Path) -> Iterator[str]:
    """Names of the modules of `model` that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("model."):
            yield str(node.module).removeprefix("model.")
