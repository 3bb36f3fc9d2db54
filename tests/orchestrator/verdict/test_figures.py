"""The curves of a card: every arm in a way of its own, no name cut off."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from orchestrator.verdict.arms import ARMS
from orchestrator.verdict.figures import recall_figure, roc_figure
from orchestrator.verdict.operating import Scored, operating
from tests.orchestrator.report.test_figure_style import check_texts


def scored(skill: float) -> Scored:
    """Regions of which half are bound, told apart more or less well."""
    rng = np.random.default_rng(0)
    bound = np.arange(200) % 2 == 0
    logit = rng.normal(0, 1, 200) + skill * bound - skill / 2
    return Scored(probability=(1 / (1 + np.exp(-logit))).astype(np.float32), bound=bound)


@pytest.mark.parametrize("draw", [roc_figure, recall_figure])
def test_every_arm_has_a_curve_of_its_own_and_its_whole_name(draw):
    first, *others = ARMS
    curves = [(arm, scored(0.3 * place)) for place, arm in enumerate(others)]
    figure: Figure = draw(operating(scored(2.0), curves, first, 0.01, "assumed"))
    check_texts(figure)
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    assert shown == set(ARMS)
    lines = [line for line in figure.axes[0].get_lines() if line.get_label() in ARMS]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(ARMS)
