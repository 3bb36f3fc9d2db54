"""`python -m experiments.base`: make a base of a workspace's dataset, trained and measured.

Runs that are finished in the workspace already, of this or any other study with the same settings,
are not trained again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    out,
    steps,
)
from experiments.cli.drive import drive
from experiments.cli.main import main
from experiments.cli.options.backend import BackendOptions
from experiments.cli.options.choices import Network, NumberFormat, Pretrain, Split, names_in
from experiments.cli.options.regions import SplitOptions
from experiments.cli.options.spread import spread
from experiments.cli.options.training import MultiModel, PretrainOptions
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from experiments.base.packaging import BaseSettings
    from experiments.base.plan import PlannedBase
    from orchestrator.runs.loaded_dataset import LoadedDataset


@dataclass(frozen=True, kw_only=True)
class BaseOptions:
    """Options of a base: its TFs, the chromosomes held out, its networks and files, as typed."""

    folder: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist.")]
    name: Annotated[str, typer.Option(help="Name of the base. By default that of the folder.")] = ""
    leave_out: Annotated[
        str,
        typer.Option(
            help="TFs to leave out of the base's training, separated by commas, so that it can be "
            "tested on them. By default none."
        ),
    ] = ""
    min_bound: Annotated[
        int, typer.Option(help="Fewest bound regions that a TF of the base has in the dataset.")
    ] = 100
    val_chroms: Annotated[
        str,
        typer.Option(
            help="Chromosomes for calibration, separated by commas; no weight is trained on them. "
            "By default one with about a tenth of the regions."
        ),
    ] = ""
    test_chroms: Annotated[
        str,
        typer.Option(
            help="Chromosomes that the card's measures are from, separated by commas. By default "
            "one with about a tenth of the regions."
        ),
    ] = ""
    seeds: Annotated[
        str,
        typer.Option(
            help="Seeds, separated by commas. A network is trained for each, and their "
            "predictions are averaged."
        ),
    ] = "0"
    network: Annotated[Network, typer.Option(help="Network: the paper's, or DanQ.")] = Network.PAPER
    training: PretrainOptions
    number_format: Annotated[
        NumberFormat, typer.Option(help="Format that weights are stored in.")
    ] = NumberFormat.FLOAT16
    data: Annotated[
        Path | None,
        typer.Option(
            help="File that says where the data is from and under which licence, as "
            "paper_data.json in experiments/base does. By default the card does not say it."
        ),
    ] = None
    page: Annotated[
        Path | None,
        typer.Option(help="Markdown file to write the card to, for people. By default none."),
    ] = None
    backend: BackendOptions

    def settings(self) -> "BaseSettings":
        """Say what the base is called and how it is stored.

        Raises
        ------
        RunError
            If the file on the data cannot be used.
        """
        from experiments.base.packaging import BaseSettings, read_about

        return BaseSettings(
            name=self.name or self.folder.absolute().name,
            number_format=self.number_format.value,
            min_bound=self.min_bound,
            about=None if self.data is None else read_about(self.data),
        )

    def plan(self, loaded: "LoadedDataset") -> "PlannedBase":
        """Plan the networks, as `bindgrid run --pretrain masked` would plan its multi-models.

        Raises
        ------
        DataError, RunError
            If an option is out of its range, or the dataset has too few regions.
        """
        from experiments.base.plan import plan_base
        from experiments.study.study import Study
        from experiments.study.trainings import Trainings

        multi = MultiModel(
            pretrain=Pretrain.MASKED,
            min_bound=self.min_bound,
            leave_out=self.leave_out or "none",
        )
        split = SplitOptions(
            split=Split.CHROMOSOME, val_chroms=self.val_chroms, test_chroms=self.test_chroms
        )
        with checked_settings():
            study = Study(
                pretrain_tfs=multi.wanted(),
                pretraining=multi.pretraining(()),
                sampling=multi.held_back_of(split.sampling(loaded)),
                trainings=self.training.of(Trainings()),
                network=self.network.value,
            )
        return plan_base(loaded, study, _seeds(self.seeds))


def base(*, options: BaseOptions, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Train the networks of a base, unless they are trained, and write its folder and card.

    Example: python -m experiments.base --workspace demo --out my-base --leave-out SPI1
    """
    from data.atomic import whole_file
    from experiments.base.packaging import check_absent, package_base
    from experiments.base.page import page_of
    from orchestrator.plan import Plan
    from orchestrator.runs.loaded_dataset import load_dataset
    from orchestrator.runs.store import RunStore

    check_absent(options.folder)
    settings = options.settings()
    backend = options.backend.resolved()
    backend.check()
    place = Workspace(workspace)
    with steps("Planning"):
        loaded = load_dataset(place)
        planned = options.plan(loaded)
    store, plan = RunStore(place), Plan(planned.study.runs)
    if not all(store.is_complete(spec.key) for spec in planned.specs):
        drive(plan, planned.study.remarks, place, backend.run_plan)
    with steps("Making the base") as on_step:
        runs = [store.open(spec.key) for spec in planned.specs]
        made = package_base(loaded, runs, options.folder, settings, on_step)
    if options.page is not None:
        with whole_file(options.page) as partial:
            partial.write_text(page_of(made.card), encoding="utf-8")
    size = f"{counted(len(made.tfs), 'TF')}, {counted(len(runs), 'network')}"
    out.print(f"{options.folder}: {made.card.name}, {size}")


def _seeds(text: str) -> tuple[int, ...]:
    words = names_in(text)
    if not all(word.isdigit() for word in words):
        raise RunError(f"--seeds is {text!r}; give whole numbers separated by commas, such as 0,1")
    return tuple(map(int, words))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(spread(base))

if __name__ == "__main__":
    main(app)
