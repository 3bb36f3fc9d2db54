"""`bindgrid export` and `import-model`: a TF's model as a folder that others can use."""

from pathlib import Path
from typing import Annotated

import typer

from data.words import counted
from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, out, steps
from experiments.cli.options.choices import ModelArm
from experiments.cli.predict import ArmOption, NameArgument
from orchestrator.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command("export")(export_command)
    app.command("import-model")(import_command)


def export_command(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(help="Folder to write. It must not exist yet.")],
    licence: Annotated[
        str,
        typer.Option(help="Licence under which others may use the model. It stands on its card."),
    ] = "Not stated: ask the authors.",
    mlflow: Annotated[
        bool,
        typer.Option(
            "--mlflow",
            help="Write a model that mlflow.pyfunc.load_model loads instead, without this program. "
            "The name may also be `all`, or TFs of the base separated by commas.",
        ),
    ] = False,
    arm: ArmOption = ModelArm.TRANSFER,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Export a model as a folder that works without this workspace.

    The folder has the weights, their configuration, the filters as PWMs, the calibration and a
    model card.

    Example: bindgrid export SPI1 spi1-model --licence CC-BY-4.0
    """
    if mlflow:
        from orchestrator.prediction.targets import find_target
        from orchestrator.tracking.exported_model import export_pyfunc

        with steps("Exporting"):
            target = find_target(Workspace(workspace), name, arm.value)
            export_pyfunc(target, folder)
        out.print(f"{folder}: {target.name}; mlflow.pyfunc.load_model({str(folder)!r})")
        return
    from orchestrator.prediction.finding import find_model
    from orchestrator.prediction.model_folders import export_model

    with steps("Exporting"):
        predictor = find_model(Workspace(workspace), name, arm.value)
        export_model(predictor, folder, licence=licence)
    out.print(
        f"{folder}: {predictor.tf}, {counted(len(predictor.replicates), 'replicate')}",
    )


def import_command(
    folder: Annotated[Path, typer.Argument(help="Folder that `bindgrid export` wrote.")],
    name: Annotated[
        str | None,
        typer.Option(help="Name to use in `bindgrid predict`. By default the model's own name."),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Import a model that `bindgrid export` wrote, to predict with it. No dataset is needed.

    Example: bindgrid import-model spi1-model --name SPI1-shared
    """
    from orchestrator.prediction.model_folders import import_model

    with steps("Importing"):
        predictor = import_model(Workspace(workspace), folder, name)
    out.print(
        f"{name or predictor.name}: {predictor.tf}, "
        f"{counted(len(predictor.replicates), 'replicate')}; "
        f"bindgrid predict {name or predictor.name} ...",
    )
