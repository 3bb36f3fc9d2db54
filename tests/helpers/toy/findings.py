"""What the runs of `toy` say."""

from orchestrator.report.findings import Finding, NamedFigure
from orchestrator.report.pairs import each_row
from orchestrator.report.sections import SectionFindings, SectionInput
from tests.helpers.toy.figures import bars
from tests.helpers.toy.plan import NAME


def findings(given: SectionInput) -> SectionFindings:
    """Give the MCC of each label."""
    table = given.rows.groupby("group")[["mcc"]].mean().reset_index()
    finding = Finding(
        stem=NAME,
        heading="",
        sentence=f"Toys of {len(table)} kinds were played with.",
        details=(),
        figures=(NamedFigure(stem=NAME, figure=bars(table), caption="Toys."),),
        table=table,
        shown=table.astype(str),
        numbers={f"{row.group}/mcc": row.mcc for row in each_row(table)},
    )
    return SectionFindings(findings=(finding,), missing=("No toy is missing.",))
