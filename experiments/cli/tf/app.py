"""`bindgrid tf`: a lab's own TFs, and groups of TFs that are related."""

import math
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table

from data.dataset.store import Dataset
from data.relations.binding_modes import SHIPPED, load_modes
from data.relations.groups import (
    Group,
    GroupKind,
    GroupRule,
    Relations,
    choose_group,
    read_relations,
)
from data.relations.string_links import read_string_links
from data.schema import Evidence
from data.words import counted, listed
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    err,
    out,
    steps,
)
from experiments.cli.options.regions import ModesOption, StringInfoOption, StringOption
from experiments.cli.options.spread import spread
from experiments.cli.tf import add as cli_tf_add
from experiments.cli.tf import list as cli_tf_list
from experiments.cli.tf import train as cli_tf_train
from orchestrator.workspace import Workspace

app = typer.Typer(
    help="Add your own TFs, and look at what relates TFs to each other.", no_args_is_help=True
)
cli_tf_add.register(app)
cli_tf_list.register(app)
cli_tf_train.register(app)

_SCORES = {
    GroupKind.SAME_MODE: "same binding mode, highest cosine similarity of labels",
    GroupKind.COFACTORS: "other modes, highest cosine similarity of labels",
    GroupKind.STRING: "other modes, highest combined score of STRING",
    GroupKind.UNCORRELATED: "same binding mode, lowest cosine similarity of labels",
    GroupKind.RANDOM: "other modes, drawn by seed and target",
}


@app.callback()
def _options() -> None:
    """Add your own TFs, and look at what relates TFs to each other."""


@dataclass(frozen=True, kw_only=True)
class GroupOptions:
    """Options of `bindgrid tf groups`: the targets, and how groups are chosen, as typed."""

    tf: Annotated[
        list[str] | None,
        typer.Option(
            help="Show the groups of this target TF only; repeat it. By default of all TFs."
        ),
    ] = None
    string: StringOption = None
    string_info: StringInfoOption = None
    modes: ModesOption = None
    size: Annotated[int, typer.Option(help="TFs in a group.")] = GroupRule.size
    min_bound: Annotated[int, typer.Option(help="Fewest bound regions of a TF in a group.")] = (
        GroupRule.min_bound
    )
    seed: Annotated[int, typer.Option(help="Seed of the random groups.")] = GroupRule.seed
    with_target: Annotated[
        bool, typer.Option("--with-target", help="Let the target replace the last TF.")
    ] = False

    def rule(self) -> GroupRule:
        """Say how groups are chosen.

        Raises
        ------
        RunError
            If an option is out of its range.
        """
        with checked_settings():
            return GroupRule(size=self.size, min_bound=self.min_bound, seed=self.seed)


def groups(*, options: GroupOptions, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Show the groups of TFs to pre-train on, with the score that put each TF there.

    Example: bindgrid tf groups --tf SPI1 --string string_links.tsv
    """
    rule, targets = options.rule(), options.tf
    dataset = Dataset.open(Workspace(workspace).dataset)
    for name in targets or ():
        dataset.summary(name)  # an unknown TF is reported before anything is read
    links = (
        None
        if options.string is None
        else read_string_links(options.string, dataset.tfs, options.string_info)
    )
    with steps("Comparing labels"):
        relations = read_relations(dataset, load_modes(options.modes), links)
    for target in targets or relations.tfs:
        chosen = [
            choose_group(kind, target, relations, with_target=options.with_target, rule=rule)
            for kind in relations.kinds()
        ]
        _print_groups(target, chosen, relations, dataset if targets else None)
    _print_legend(relations, rule, with_target=options.with_target)


app.command()(spread(groups))


def _print_groups(
    target: str, chosen: list[Group], relations: Relations, dataset: Dataset | None
) -> None:
    """Print groups of a target; with a dataset, also how many regions a multi-model would have.

    They are counted for targets that were asked for only, since every group is read for it.
    """
    num_bound = relations.num_bound[relations.tfs.index(target)]
    modes = ", ".join(sorted(relations.modes.of(target))) or "none"
    # a title of the table would be filled up with blanks
    out.print(
        f"{target}: {counted(num_bound, 'bound region')}; binding mode {modes}", style="italic"
    )
    table = Table("group", "TFs")
    if dataset is not None:
        table.add_column("regions for all", justify="right")
    table.add_column("note")
    for group in chosen:
        cells = [group.kind.value, _members(group)]
        if dataset is not None:
            cells.append(f"{_num_complete(group, dataset):,}" if group.tfs else "")
        table.add_row(*cells, group.note)
    out.print(table)


def _members(group: Group) -> str:
    return ", ".join(
        tf if math.isnan(score) else f"{tf} {score:.3f}"
        for tf, score in zip(group.tfs, group.scores, strict=True)
    )


def _num_complete(group: Group, dataset: Dataset) -> int:
    """Regions resolved for all TFs of a group."""
    return int((dataset.evidence(group.tfs) != Evidence.UNMATCHED).all(axis=1).sum())


def _print_legend(relations: Relations, rule: GroupRule, *, with_target: bool) -> None:
    for kind in relations.kinds():
        out.print(f"{kind.value}: {_SCORES[kind]}")
    source = relations.modes.source
    modes = "bindgrid's own table (JASPAR 2020)" if source == SHIPPED else source
    if with_target:
        out.print("the target replaces the last TF of each group")
    out.print(
        f"only TFs with {rule.min_bound:,} bound regions or more; binding modes from {modes}",
    )
    if relations.links is None:
        err.print("string: left out, no STRING file; give one by --string FILE")
    without = relations.modes.without(relations.tfs)
    if without:
        err.print(
            f"{counted(len(without), 'TF')} without a binding mode, in no group: {listed(without)}",
        )
