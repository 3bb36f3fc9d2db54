"""Figures: all that they should show, nothing cut off, no label on another."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments.binding_modes.figures import gain_by_group
from experiments.downsampling.figures import sizes_of_tf
from experiments.pretraining_sets.figures import sets_by_target
from experiments.transfer.figures import arms_by_tf, gain_by_size
from orchestrator.report.figure_style import report_style, save_figure, swarm

KINDS = ["same-mode", "cofactors", "string", "uncorrelated", "random"]
BRACKET = ("shared mode", "other mode", "Welch's t-test, p = 0.012")


def gains_of(num_tfs: int, *, same_size: bool = False) -> pd.DataFrame:
    """A table of gains of TFs with names as long as they get."""
    rng = np.random.default_rng(num_tfs)
    table = pd.DataFrame({"tf": [f"ZNF{100 + 7 * number}" for number in range(num_tfs)]})
    sizes = 10 ** rng.uniform(2, 4.5, num_tfs)
    table["num_bound"] = 900.0 if same_size else sizes.round()
    table["scratch"] = rng.uniform(-0.1, 0.6, num_tfs)
    table["gain"] = rng.normal(0.1, 0.1, num_tfs)
    table["transfer"] = table["scratch"] + table["gain"]
    table["multi"] = np.where(np.arange(num_tfs) % 2, table["transfer"] - 0.05, np.nan)
    for name in ("scratch", "transfer", "multi", "gain"):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.03, table[name] + 0.03
    return table


def pairs_of(num_replicates: int) -> tuple[pd.DataFrame, dict[str, str]]:
    labels = {"500 bound": "500 bound", "all regions": "all regions\n(15,890 bound)"}
    rng = np.random.default_rng(0)
    rows = [
        {
            "group": group,
            "mcc_scratch": rng.normal(0.1, 0.05),
            "mcc_transfer": rng.normal(0.3, 0.05),
        }
        for group in labels
        for _ in range(num_replicates)
    ]
    return pd.DataFrame(rows), labels


def sets_of(num_targets: int, num_replicates: int) -> Figure:
    rng = np.random.default_rng(0)
    targets = ["HNF4A", "JUND", "MAX", "SP1", "SPI1"][:num_targets]
    runs = pd.DataFrame(
        [
            {"target": target, "group": kind, "with_target": inside, "mcc": rng.normal(0.3, 0.05)}
            for target in targets
            for kind in KINDS
            for inside in (False, True)
            for _ in range(num_replicates)
        ]
    )
    means = runs.groupby(["target", "group", "with_target"])["mcc"].mean().reset_index()
    line = pd.DataFrame({"target": targets, "mcc": 0.1})
    for table in (means, line):
        table["mcc_low"], table["mcc_high"] = table["mcc"] - 0.02, table["mcc"] + 0.02
    return sets_by_target(means, runs, line, KINDS)


def modes_of(sizes: dict[str, int]) -> Figure:
    return gain_by_group({name: gains_of(size) for name, size in sizes.items()}, BRACKET)


FIGURES: dict[str, Callable[[], Figure]] = {
    "arms of TFs of one size": lambda: arms_by_tf(gains_of(5, same_size=True)),
    "modes": partial(modes_of, {"multi-model": 44, "shared mode": 60, "other mode": 38}),
    "modes of few TFs": partial(modes_of, {"shared mode": 1, "other mode": 2}),
}
for count in (1, 3, 44, 148):
    FIGURES[f"arms of {count} TFs"] = partial(arms_by_tf, gains_of(count))
for count in (3, 44, 148):
    FIGURES[f"gain of {count} TFs"] = partial(gain_by_size, gains_of(count), "rho")
for count in (1, 2, 5):
    FIGURES[f"sizes of {count} replicates"] = partial(sizes_of_tf, *pairs_of(count))
for targets, count in ((1, 1), (2, 5), (5, 5)):
    FIGURES[f"sets of {targets} targets, {count} replicates"] = partial(sets_of, targets, count)


def gain_of_sizes(smallest: float, largest: float) -> Figure:
    table = gains_of(20)
    return gain_by_size(table.assign(num_bound=np.linspace(smallest, largest, 20)), "rho")


for ends in ((132, 900), (1100, 9000)):
    FIGURES[f"gain of sizes from {ends[0]} to {ends[1]}"] = partial(gain_of_sizes, *ends)


@pytest.mark.parametrize(
    ("ends", "ticks"), [((132, 900), {"200", "500"}), ((1100, 9000), {"2k", "5k"})]
)
def test_sizes_within_a_decade_have_ticks(ends, ticks):
    figure = gain_of_sizes(*ends)
    with report_style():
        figure.draw_without_rendering()
    assert ticks <= {text.get_text() for text in texts_of(figure)}


def texts_of(figure: Figure) -> list[Text]:
    """Texts that the figure shows, as its SVG does."""
    found = figure.findobj(lambda part: isinstance(part, Text) and part.get_visible())
    shown = [text for text in found if isinstance(text, Text) and text.get_text().strip()]
    tick_labels = {
        label
        for axes in figure.axes
        for axis, inside in (
            (axes.xaxis, axes.viewLim.intervalx),
            (axes.yaxis, axes.viewLim.intervaly),
        )
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not min(inside) <= tick.get_loc() <= max(inside)
    }
    return [text for text in shown if text not in tick_labels]


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_is_cut_off_or_on_another(name):
    check_texts(FIGURES[name]())


def check_texts(figure: Figure) -> None:
    """No text of a figure is cut off, and none lies on another."""
    with report_style():
        figure.draw_without_rendering()
    boxes = {text: text.get_window_extent() for text in texts_of(figure)}
    assert len(boxes) > 5
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1
        assert inside and box.y1 <= figure.bbox.y1, f"{text.get_text()!r} is cut off"
        if text.get_rotation() % 90:
            continue  # its box is larger than its letters
        for other, taken in boxes.items():
            if other is not text and not other.get_rotation() % 90:
                overlap = min(box.x1, taken.x1) - max(box.x0, taken.x0)
                height = min(box.y1, taken.y1) - max(box.y0, taken.y0)
                assert overlap < 1 or height < 2, f"{text.get_text()!r} on {other.get_text()!r}"


def test_tfs_stand_by_training_size_the_fewest_regions_on_top():
    table = gains_of(6)
    axes = arms_by_tf(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(
        table.sort_values("num_bound")["tf"]
    )
    assert axes.yaxis_inverted()


def test_every_replicate_and_every_tf_is_a_point():
    axes = sizes_of_tf(*pairs_of(5)).axes[0]
    points = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    assert [len(np.asarray(line.get_xydata())) for line in points] == [5, 5, 5, 5]
    axes = gain_by_group({"shared mode": gains_of(60)}, None).axes[0]
    [swarmed] = [line for line in axes.lines if line.get_marker() == "o"]
    assert sorted(np.asarray(swarmed.get_xydata())[:, 1]) == sorted(gains_of(60)["gain"])


def test_points_of_a_swarm_with_one_value_do_not_hide_each_other():
    moved = swarm(np.array([0.1, 0.1, 0.1, 0.5]), 0.3)
    assert len(set(moved[:3])) == 3
    assert moved[3] == 0
    assert np.abs(moved).max() <= 0.3
    assert swarm(np.array([]), 0.3).size == 0


@pytest.mark.slow
def test_the_same_numbers_give_the_same_files(tmp_path: Path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save_figure(gain_by_size(gains_of(3), "title"), tmp_path / folder / "gain.v2")
    for name in ("gain.v2.svg", "gain.v2.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_neither_a_users_settings_nor_a_name_like_a_formula_change_a_figure():
    table = gains_of(3).replace({"tf": {"ZNF100": "A$x$B"}})
    plain = gain_by_size(table, "rho")
    with rc_context({"font.size": 30, "text.usetex": True}):
        assert gain_by_size(table, "rho").axes[0].title.get_fontsize() == (
            plain.axes[0].title.get_fontsize()
        )
    assert not any(text.get_parse_math() for text in plain.axes[0].texts)


@pytest.mark.slow
def test_figures_leave_pyplot_alone():
    modules = [
        "orchestrator.report.figure_style",
        *(f"experiments.{name}.figures" for name in ("transfer", "downsampling", "binding_modes")),
    ]
    code = f"import sys, {', '.join(modules)}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
