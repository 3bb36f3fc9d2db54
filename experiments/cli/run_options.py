"""What the options of `bindgrid run` may be, and the settings that they come to."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import err
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.sampling import Sampling
    from experiments.study.pretraining import Pretraining, WantedTFs
    from experiments.study.scale import Scale
    from model.training.loop import Precision as TrainingPrecision
    from orchestrator.runs.loaded_dataset import LoadedDataset


class Backend(StrEnum):
    """What runs a plan."""

    RAY = "ray"
    LOCAL = "local"


class Device(StrEnum):
    """What trains."""

    CPU = "cpu"
    GPU = "gpu"


class Split(StrEnum):
    """How regions are split."""

    RANDOM = "random"
    CHROMOSOME = "chromosome"


class ScaleName(StrEnum):
    """How large a study is."""

    PAPER = "paper"
    LAPTOP = "laptop"


class Precision(StrEnum):
    """Of matrix products in training."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    AUTO = "auto"


class Network(StrEnum):
    """Which network is trained, of `model.network.NETWORKS`."""

    PAPER = "paper"
    DANQ = "danq"


class Keep(StrEnum):
    """Which epoch's weights are kept."""

    BEST = "best"
    LAST = "last"


class Pretrain(StrEnum):
    """Which regions a multi-model learns from."""

    COMPLETE = "complete"
    MASKED = "masked"


@dataclass(frozen=True, kw_only=True)
class MultiModel:
    """What the options say of the multi-model, as typed."""

    pretrain_tfs: Annotated[
        str,
        typer.Option(
            help="TFs of the multi-model: how many, those with most resolved regions first, names "
            "separated by commas, or `all`. 50; of a masked one all with --min-bound."
        ),
    ] = ""
    pretrain: Annotated[
        Pretrain,
        typer.Option(
            help="Regions of the multi-model: those resolved for all its TFs (paper), or masked: "
            "for one of them at least, what is not resolved without weight."
        ),
    ] = Pretrain.COMPLETE
    min_bound: Annotated[
        int | None,
        typer.Option(help="Bound regions that a TF of the multi-model has; 100 if masked."),
    ] = None
    leave_out: Annotated[
        str,
        typer.Option(
            help="TFs that the multi-model must not know, or `none`; of a masked one the targets."
        ),
    ] = ""
    leave_out_mode: Annotated[
        bool,
        typer.Option("--leave-out-mode", help="Nor any TF of their binding modes."),
    ] = False
    hold_back: Annotated[
        float | None,
        typer.Option(
            help="Fraction of all regions that no multi-model learns from and individual models "
            "take theirs from; 0.3 if masked and split at random."
        ),
    ] = None

    @property
    def is_masked(self) -> bool:
        """Whether unresolved cells are masked and not their regions left out."""
        return self.pretrain is Pretrain.MASKED

    def check_motif(self, motif: bool) -> None:
        """Raise `RunError` if the motif's term is asked for where no experiment has it."""
        if motif and not self.is_masked:
            raise RunError("--motif goes with --pretrain masked")

    def wanted(self) -> "WantedTFs":
        """Which TFs it has."""
        if self.pretrain_tfs == "all" or (self.is_masked and not self.pretrain_tfs):
            return None
        if not self.pretrain_tfs:
            return 50
        return (
            int(self.pretrain_tfs) if self.pretrain_tfs.isdigit() else names_in(self.pretrain_tfs)
        )

    def pretraining(self, targets: tuple[str, ...]) -> "Pretraining":
        """Which regions it learns from, and which TFs it must not know."""
        from experiments.study.pretraining import MIN_BOUND, Pretraining

        left_out = targets if self.is_masked else ()
        if self.leave_out:
            left_out = () if self.leave_out == "none" else names_in(self.leave_out)
        if self.leave_out_mode and not left_out:
            raise RunError("--leave-out-mode: no TF is left out; name one by --leave-out")
        usual = MIN_BOUND if self.is_masked else 0
        return Pretraining(
            rows="resolved" if self.is_masked else "complete",
            min_bound=usual if self.min_bound is None else self.min_bound,
            leave_out=left_out,
            modes_of=left_out if self.leave_out_mode else (),
        )

    def held_back_of(self, sampling: "Sampling") -> "Sampling":
        """Give a way to split regions with what it leaves to individual models."""
        from experiments.study.pretraining import HELD_BACK

        usual = HELD_BACK if self.is_masked and sampling.split == "random" else None
        held_back = usual if self.hold_back is None else self.hold_back
        return replace(sampling, held_back=held_back)


def runs_on_gpu(
    device: Device,
    runs_per_gpu: int | None,
    *,
    backend: Backend,
    pretrain_workers: int,
    precision: Precision,
) -> int | None:
    """Give how many runs share a GPU; None where they train on CPUs.

    Raises
    ------
    RunError
        The options do not go together.
    """
    if device is Device.CPU:
        if runs_per_gpu is not None:
            raise RunError("--runs-per-gpu goes with --device gpu")
        return None
    from orchestrator.gpus import RUNS_PER_GPU, check_sharing

    if runs_per_gpu is not None and backend is Backend.LOCAL:
        raise RunError("--runs-per-gpu needs Ray; leave out --backend local")
    if precision is Precision.AUTO:
        raise RunError(
            "--precision auto measures the CPU: with --device gpu give --precision bfloat16, or "
            "float32"
        )
    chosen = RUNS_PER_GPU if runs_per_gpu is None else runs_per_gpu
    check_sharing(chosen, pretrain_workers)
    return chosen


def settled(precision: Precision, workspace: Workspace, address: str = "") -> "TrainingPrecision":
    """Give the precision of all trainings; of `auto` what the workspace has chosen, or chooses now.

    Raises
    ------
    RunError
        The workspace's choice cannot be read or written, or the cluster not be reached.
    """
    if precision is Precision.FLOAT32:
        return "float32"
    if precision is Precision.BFLOAT16:
        return "bfloat16"
    from orchestrator.backends.precision import multiplies_bfloat16, processor, settle

    on_cluster = False
    if address:
        from orchestrator.backends.ray.precision import check_nodes

        on_cluster = True
        choice, is_new = settle(workspace, lambda: check_nodes(address))
    else:
        choice, is_new = settle(workspace)
    where = "checked just now" if is_new else f"chosen before, in {workspace.precision}"
    err.print(
        f"--precision auto: {choice.precision} ({choice.reason}; {choice.processor}, torch "
        f"{choice.torch}; {where})",
        markup=False,
        highlight=False,
    )
    if choice.precision == "bfloat16" and not on_cluster and not multiplies_bfloat16():
        err.print(
            f"{processor()} does not multiply bfloat16 and will be slow; keys of finished runs "
            "stay with bfloat16",
            markup=False,
            highlight=False,
        )
    return choice.precision


def names_in(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def sized(
    scale: "Scale",
    sample: int | None,
    sizes: str,
    set_regions: int | None,
    replicates: int | None,
    mode_models: int | None = None,
) -> "Scale":
    """Give a scale with what the user wants otherwise."""
    if sample is not None:
        scale = replace(scale, transfer_bound=sample, at_most=False, num_bound=sample)
    if sizes:
        steps = tuple(_size(word) for word in names_in(sizes))
        scale = replace(scale, sizes=steps, peak_sizes=steps)
    if set_regions is not None:
        scale = replace(scale, set_regions=set_regions)
    if mode_models is not None:
        scale = replace(scale, mode_models=mode_models)
    if replicates is not None:
        scale = scale.with_replicates(replicates)
    return scale


def _size(word: str) -> int | None:
    if word == "all":
        return None
    if not word.isdigit():
        raise RunError(f"--sizes: {word!r} is neither a number nor `all`; such as all,1000,500")
    return int(word)


def split_by(
    loaded: "LoadedDataset",
    split: Split,
    val_chroms: tuple[str, ...],
    test_chroms: tuple[str, ...],
) -> "Sampling":
    """Give how regions are split; chromosomes that are not named are chosen.

    Raises
    ------
    RunError
        If a chromosome has no regions, or is named beside a random split.
    """
    from data.dataset.sampling import Sampling, default_chromosomes

    counts = loaded.regions.built.chromosomes()
    for chrom in (*val_chroms, *test_chroms):
        if chrom not in counts:
            raise RunError(f"no regions on chromosome {chrom!r}; there are: {', '.join(counts)}")
    if split is Split.RANDOM:
        if val_chroms or test_chroms:
            raise RunError("--val-chroms and --test-chroms go with --split chromosome")
        return Sampling()
    val, test = default_chromosomes(counts)
    return Sampling(
        split="chromosome", val_chroms=val_chroms or (val,), test_chroms=test_chroms or (test,)
    )
