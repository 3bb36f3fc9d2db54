"""What `bindgrid tf add` prints about a TF's labels, and how many bound regions it requires."""

from typing import TYPE_CHECKING, Final

from rich.table import Table

from data.dataset.added import LABEL_WORDS
from data.schema import Evidence
from data.words import counted
from experiments.cli.console import err, out, tell_few_accessible
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.own_tf.labels import Labels, OwnTF

_OTHER_LABELS: Final = {
    "none": " (--predict-sites asks for a site too)",
    "predicted": " (--no-sites takes peaks alone)",
}
"""The option for other labels, by where the sites come from."""


def print_labels(labels: "Labels", tf: "OwnTF") -> None:
    """Print how many peaks count, and how many regions are bound."""
    table = Table("peaks", "format", "biosample")
    for title in ("peaks", "summits in regions", "in accessible ones", "sites"):
        table.add_column(title, justify="right")
    for file, count in zip(tf.files, labels.counts, strict=True):
        numbers = (
            count.num_peaks,
            count.num_in_regions,
            count.num_in_accessible,
            count.num_sites,
        )
        cells = (f"{number:,}" for number in numbers)
        table.add_row(file.peaks.name, count.format, file.biosample, *cells)
    out.print(table)
    if words := labels.added.peaks_that_count:
        out.print(f"peaks that count: {words}")
    bound, unbound = labels.num(Evidence.BOUND), labels.num(Evidence.UNBOUND)
    one_source = labels.num(Evidence.PEAK) + labels.num(Evidence.SITE)
    how = ""
    if tf.has_predicted_sites and tf.motif is not None:
        how = f", sites predicted by {tf.motif.matrix_id}"
    out.print(
        f"{tf.name}: {counted(bound, 'bound region')}, {unbound:,} unbound, {one_source:,} of one "
        f"source{how}"
    )
    out.print(f"labels: {LABEL_WORDS[tf.sites]}{_OTHER_LABELS.get(tf.sites, '')}")
    if labels.num_bound_with_n:
        err.print(
            f"{labels.num_bound_with_n:,} of the bound regions hold an N in the genome: no model "
            "learns from them or is tested on them"
        )
    if labels.num_weak:
        err.print(
            f"{labels.num_weak:,} regions have only peaks that do not count: they are neither "
            f"bound nor unbound for {tf.name}"
        )
    if labels.num_excluded:
        err.print(
            f"{labels.num_excluded:,} regions that overlap a region of --exclude are unresolved "
            f"for {tf.name}"
        )
    for count in labels.counts:
        if count.remark:
            err.print(f"{count.file}: {count.remark}")
        if count.num_without_summit:
            err.print(
                f"{count.file}: {count.num_without_summit:,} of {count.num_peaks:,} peaks lack a "
                "summit and count by their middle",
            )
        if count.num_elsewhere:
            err.print(
                f"{count.file}: {counted(count.num_elsewhere, 'peak')} on chromosomes without "
                "regions",
            )
        tell_few_accessible(str(count.file), count.num_in_accessible, count.num_peaks)


def check_number(labels: "Labels", *, force: bool) -> None:
    """Raise `RunError` where too few regions are bound, unless `force` is set."""
    from data.dataset.added import PeakChoice
    from data.own_tf.labels import MIN_BOUND

    num_bound = labels.num_bound_usable
    if num_bound < MIN_BOUND and not force:
        chosen = labels.added.choice != PeakChoice()
        more = "let more of the peaks count" if chosen else "give more peaks"
        without = ""
        if labels.num_bound_with_n:
            without = f" without an N in the genome, and {labels.num_bound_with_n} with one"
            more = f"give a genome whose bases there are known, {more}"
        raise RunError(
            f"{labels.name} has {counted(num_bound, 'bound region')}{without}, {MIN_BOUND} are "
            f"needed to learn from; {more}, or pass --force"
        )
