"""What is wrong with the options of a training, told before a TF is labelled.

A TF whose labels are written cannot be added again by the corrected command, so that `tf add`
checks what it can without them. What depends on the labels is told when the training is planned.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from data.text import open_binary
from experiments.cli.console import checked_settings
from experiments.cli.options.choices import names_in
from experiments.cli.tf.train import TrainOptions
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.store import Dataset


def check_training(
    workspace: Workspace,
    dataset: "Dataset | None",
    tf: str,
    options: TrainOptions,
    sizes: Mapping[str, int],
) -> None:
    """Check the options of the training of a TF that is not labelled so far.

    Parameters
    ----------
    dataset
        The one that the TF is added to; None where it makes one.
    sizes
        Chromosomes that may be held out: those of the dataset with their numbers of regions, or
        those of the genome, with their lengths, where there is no dataset.

    Raises
    ------
    DataError
        A file or a TF that an option names is not there, or no chromosome is left to train on.
    RunError
        An option is out of its range, or does not go with another.
    """
    from data.dataset.sampling import Sampling
    from experiments.study.scale import Scale
    from experiments.study.trainings import Trainings

    options.check_together()
    with checked_settings():
        Sampling(num_bound=options.max_bound)
        Scale(target_replicates=options.num_replicates)
        options.individual.of(options.pretraining.of(Trainings()))
        options.regions.check(sizes)
    if options.string is not None:
        open_binary(options.string).close()
    _check_start(workspace, dataset, tf, options)


def _check_start(
    workspace: Workspace, dataset: "Dataset | None", tf: str, options: TrainOptions
) -> None:
    """Check what the training is to start from."""
    if not (options.pretrain_run or options.pretrain_set):
        return
    from experiments.own_tf.suggestion import KINDS, multi_model
    from orchestrator.runs.store import RunStore

    if options.pretrain_run:
        multi_model(RunStore(workspace), options.pretrain_run, tf)
    elif options.pretrain_set not in KINDS:
        if dataset is None:
            raise RunError(
                f"--pretrain-set {options.pretrain_set}: there is no dataset, and so no TF of this "
                "name; leave it out to start from the base"
            )
        for name in names_in(options.pretrain_set):
            if name != tf:
                dataset.summary(name)
