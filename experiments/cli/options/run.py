"""The options of `bindgrid run`, and the study that they stand for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import checked_settings
from experiments.cli.options.backend import BackendOptions
from experiments.cli.options.choices import MotifUse, Network, Precision, ScaleName, names_in
from experiments.cli.options.motif import MotifOption
from experiments.cli.options.regions import (
    ModesOption,
    SplitOptions,
    StringInfoOption,
    StringOption,
)
from experiments.cli.options.training import (
    IndividualOptions,
    MultiModel,
    PrecisionOption,
    PretrainOptions,
)
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.dataset.sampling import Sampling
    from experiments.study.scale import Scale
    from experiments.study.study import Study
    from experiments.study.trainings import Trainings
    from model.training.config import Precision as TrainingPrecision
    from orchestrator.runs.loaded_dataset import LoadedDataset


@dataclass(frozen=True, kw_only=True)
class SizeOptions:
    """How large a study is, as typed."""

    scale: Annotated[
        ScaleName,
        typer.Option(
            help="Numbers of regions, replicates and epochs: those of the paper, or those that "
            "take a night on two cores. Options that set one number override it."
        ),
    ] = ScaleName.PAPER
    sample: Annotated[
        int | None,
        typer.Option(
            help="Bound regions of an individual model, beside as many unbound ones, in transfer, "
            "binding-modes and pretraining-sets. By default all in transfer (at most 1,000 with "
            "--scale laptop), and 1,000 in the others."
        ),
    ] = None
    sizes: Annotated[
        str,
        typer.Option(
            help="Bound regions at each step of downsampling or peaks-needed, separated by commas, "
            "such as all,1000,500."
        ),
    ] = ""
    exact_sizes: Annotated[
        bool,
        typer.Option(
            "--exact-sizes",
            help="Let sizes of peaks-needed be the bound regions to train and validate on. By "
            "default they count those to test on too, as the paper's do.",
        ),
    ] = False
    set_regions: Annotated[
        int | None,
        typer.Option(
            help="Most regions of a multi-model in pretraining-sets. By default 70,000, or 20,000 "
            "with --scale laptop."
        ),
    ] = None
    mode_models: Annotated[
        int | None,
        typer.Option(
            help="Multi-models of peaks-needed that lack the binding modes of its targets. By "
            "default one for each target, or 2 with --scale laptop; 0 leaves them out."
        ),
    ] = None
    replicates: Annotated[
        int | None,
        typer.Option(
            help="Replicates of every experiment. By default 1 of those on all TFs, and 5 of those "
            "on a few targets, or 2 with --scale laptop."
        ),
    ] = None

    def chosen(self) -> "Scale":
        """Give the scale, with the numbers that the user changed.

        Raises
        ------
        RunError, ValueError
            A number is out of its range, or none at all.
        """
        from experiments.study.scale import SCALES

        scale = SCALES[self.scale]
        if self.sample is not None:
            sample = self.sample
            scale = replace(scale, transfer_bound=sample, at_most=False, num_bound=sample)
        if self.sizes:
            steps = tuple(_size(word) for word in names_in(self.sizes))
            scale = replace(scale, sizes=steps, peak_sizes=steps)
        if self.exact_sizes:
            scale = replace(scale, exact_sizes=True)
        if self.set_regions is not None:
            scale = replace(scale, set_regions=self.set_regions)
        if self.mode_models is not None:
            scale = replace(scale, mode_models=self.mode_models)
        return scale if self.replicates is None else scale.with_replicates(self.replicates)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of `bindgrid run`, as typed: the study, and where its runs train."""

    tfs: Annotated[
        str,
        typer.Option(
            help="Target TFs, separated by commas. By default each experiment's own targets."
        ),
    ] = ""
    size: SizeOptions
    multi_model: MultiModel
    motif: MotifOption = MotifUse.NONE
    seed: Annotated[
        int, typer.Option(help="Seed of the first replicate; each further one adds 1.")
    ] = 0
    pretraining: PretrainOptions
    individual: IndividualOptions
    fine_tuning: Annotated[
        Path | None,
        typer.Option(
            help="File of the settings that `bindgrid tune` chose, to train transfer by. By "
            "default the paper's settings."
        ),
    ] = None
    network: Annotated[
        Network, typer.Option(help="Network of all models: the paper's, or DanQ.")
    ] = Network.PAPER
    freeze: Annotated[
        str,
        typer.Option(
            help="Layers that transfer leaves as they are, with their batch-norm statistics: conv, "
            "or names such as conv1,conv2. By default none."
        ),
    ] = ""
    precision: PrecisionOption = Precision.FLOAT32
    regions: SplitOptions
    match_openness: Annotated[
        bool,
        typer.Option(
            "--match-openness",
            help="Draw unbound regions that are open in the biosamples that bound ones are open "
            "in, and in as many, beside matching their GC: a control, reported apart, of how much "
            "of a result is openness. By default GC alone is matched, as in the paper.",
        ),
    ] = False
    string: StringOption = None
    string_info: StringInfoOption = None
    modes: ModesOption = None
    backend: BackendOptions

    def check(self, names: list[str]) -> None:
        """Raise `RunError` if options do not go together, or not with the experiments named."""
        of_multi_model = names != ["peaks-needed"]  # which has masked ones of its own
        self.multi_model.check_motif(self.motif is not MotifUse.NONE and of_multi_model)
        self.backend.check()

    def study(self, loaded: "LoadedDataset", precision: "TrainingPrecision") -> "Study":
        """Give the study that the options stand for.

        Raises
        ------
        DataError
            A file cannot be used.
        RunError
            An option is out of its range, or does not go with another or with the dataset.
        """
        from data.relations.binding_modes import load_modes
        from data.relations.string_links import read_string_links
        from experiments.study.study import Study

        tfs, links = names_in(self.tfs), None
        if self.string is not None:
            links = read_string_links(self.string, loaded.dataset.tfs, self.string_info)
        with checked_settings():
            return Study(
                tfs=tfs,
                pretrain_tfs=self.multi_model.wanted(),
                pretraining=self.multi_model.pretraining(tfs),
                seed=self.seed,
                sampling=self._sampling(loaded),
                scale=self.size.chosen(),
                trainings=self._trainings(precision),
                modes=load_modes(self.modes),
                links=links,
                network=self.network.value,
                motif=self.motif is not MotifUse.NONE,
                chosen_motifs=self.motif in (MotifUse.AUTO, MotifUse.MANY, MotifUse.KMERS),
                many_motifs=self.motif in (MotifUse.MANY, MotifUse.KMERS),
                gapped_kmers=self.motif is MotifUse.KMERS,
            )

    def _sampling(self, loaded: "LoadedDataset") -> "Sampling":
        sampling = self.multi_model.held_back_of(self.regions.sampling(loaded))
        if not self.match_openness:
            return sampling
        if not loaded.dataset.biosamples:
            raise RunError(
                f"--match-openness: {loaded.dataset.path} does not say in which biosamples regions "
                "are open; leave the option out"
            )
        return replace(sampling, unbound_match="gc-and-openness")

    def _trainings(self, precision: "TrainingPrecision") -> "Trainings":
        from experiments.study.trainings import TRAININGS
        from model.network_config import published

        trainings = self.pretraining.of(TRAININGS[self.size.scale])
        trainings = self.individual.of(trainings, self.fine_tuning).in_precision(precision)
        if self.fine_tuning is not None:
            from orchestrator.tuning.trials import read_training

            trainings = trainings.tuned(read_training(self.fine_tuning))
        if self.freeze:
            layers = published(self.network.value, num_tfs=1)
            trainings = trainings.freezing(names_in(self.freeze), layers)
        return trainings


def _size(word: str) -> int | None:
    if word == "all":
        return None
    if not word.isdigit():
        raise RunError(f"--sizes: {word!r} is neither a number nor `all`; such as all,1000,500")
    return int(word)
