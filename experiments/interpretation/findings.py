"""What the runs of `interpretation` say: how fine-tuning changed filters (Fig. 3B).

It also says what the filters of its multi-models learnt (Fig. 3A), unless `transfer` does.
"""

from experiments.interpretation.followed import followed_findings
from experiments.interpretation.learnt import learnt_findings, trained_multi_models
from experiments.transfer.plan import NAME as TRANSFER
from orchestrator.report.missing import missing_pairs
from orchestrator.report.pairs import pair
from orchestrator.report.sections import SectionFindings, SectionInput


def findings(given: SectionInput) -> SectionFindings:
    """Say how fine-tuning changed filters, if they are to be read."""
    pairs = pair(given.rows)
    found = SectionFindings(missing=tuple(missing_pairs(pairs)))
    if given.motifs is None:
        return found
    multi_models = trained_multi_models(given.rows)
    new = multi_models[~multi_models["key"].isin(given.of(TRANSFER)["key"])]
    return found + followed_findings(pairs, given.motifs) + learnt_findings(new, given.motifs)
