"""Label similarity against loops over pairs, and groups of seven TFs known by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from data.dataset.store import Dataset
from data.errors import DataError
from data.relations.binding_modes import BindingModes, load_modes
from data.relations.groups import GroupKind, GroupRule, Relations, choose_group, read_relations
from data.relations.similarity import Similarity, label_similarity
from data.relations.string_links import StringLinks
from tests.helpers.tiny import tiny_dataset

# rows are regions, columns the TFs A, B, C, D; D binds nothing
SIX = np.array(
    [
        [4, 4, 0, 1],
        [4, 1, 4, 1],
        [4, 0, 4, 1],
        [2, 4, 4, 0],
        [0, 4, 1, 0],
        [1, 3, 0, 1],
    ],
    dtype=np.uint8,
)


def test_similarity_of_a_six_row_table():
    similarity = label_similarity(SIX)
    # A and B: resolved for both are rows 0, 1, 3, 5; A binds 0 and 1, B 0 and 3
    assert similarity.cosine[0, 1] == pytest.approx(1 / 2)
    # A and C: rows 1, 2, 3; A binds 1 and 2, C all
    assert similarity.cosine[0, 2] == pytest.approx(2 / math.sqrt(2 * 3))
    # B and C: rows 1, 3, 4; B binds 3 and 4, C 1 and 3
    assert similarity.cosine[1, 2] == pytest.approx(1 / 2)
    assert np.isnan(similarity.cosine[3]).all()
    np.testing.assert_array_equal(np.diag(similarity.cosine)[:3], 1)
    np.testing.assert_array_equal(
        similarity.num_joint, [[5, 4, 3, 4], [4, 5, 3, 3], [3, 3, 4, 2], [4, 3, 2, 4]]
    )


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("num_regions", [1, 4096, 9000])
def test_similarity_equals_a_loop_over_pairs_whatever_the_blocks(num_regions, order):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (num_regions, 7)).astype(np.uint8)
    similarity = label_similarity(np.array(codes, order=order))
    for i in range(7):
        for j in range(7):
            joint = (codes[:, i] != 0) & (codes[:, j] != 0)
            a, b = ((codes[joint, k] == 4).astype(float) for k in (i, j))
            norms = np.linalg.norm(a) * np.linalg.norm(b)
            expected = a @ b / norms if norms else np.nan
            np.testing.assert_allclose(similarity.cosine[i, j], expected, rtol=1e-12)
            assert similarity.num_joint[i, j] == joint.sum()


def test_similarity_of_no_regions_and_of_tfs_never_resolved_together():
    assert np.isnan(label_similarity(np.empty((0, 2), dtype=np.uint8)).cosine).all()
    apart = label_similarity(np.array([[4, 0], [0, 4]], dtype=np.uint8))
    np.testing.assert_array_equal(apart.cosine, [[1, np.nan], [np.nan, 1]])
    assert apart.num_joint[0, 1] == 0


# E1 to E4 share the target's mode, X1 to X7 do not, N has no mode
COSINE = {
    "E1": 0.5,
    "E2": 0.9,
    "E3": 0.1,
    "E4": 0.3,
    "X1": 0.2,
    "X2": 0.8,
    "X3": 0.4,
    "X4": 0.6,
    "X5": 0.0,
    "X6": math.nan,
    "X7": 0.2,
    "N": 1.0,
}
TFS = ("T", *COSINE)
MODES = BindingModes(
    modes_of_tf={
        "T": frozenset({"e", "f"}),
        **{tf: frozenset({"f" if tf == "E4" else "e"}) for tf in TFS if tf[0] == "E"},
        **{tf: frozenset({"x"}) for tf in TFS if tf[0] == "X"},
    },
    source=Path("modes.tsv"),
)
SCORES = {"X1": 0.4, "X5": 0.9, "X6": 0.9, "E1": 0.99, "N": 0.99}


def relations(links: dict[str, float] | None = None, num_bound: int = 1000) -> Relations:
    cosine = np.full((len(TFS), len(TFS)), np.nan)
    cosine[0, 1:] = cosine[1:, 0] = list(COSINE.values())
    return Relations(
        tfs=TFS,
        num_bound=np.full(len(TFS), num_bound),
        similarity=Similarity(cosine=cosine, num_joint=np.ones_like(cosine, dtype=np.int64)),
        modes=MODES,
        links=None
        if links is None
        else StringLinks(partners={"T": links}, source=Path("string.tsv")),
    )


def choose(kind, *, with_target=False, links=SCORES, target="T", **rule):
    return choose_group(
        GroupKind(kind),
        target,
        relations(links),
        with_target=with_target,
        rule=GroupRule(**rule),
    )


@pytest.mark.parametrize(
    ("kind", "tfs", "scores"),
    [
        ("same-mode", ("E2", "E1", "E4"), (0.9, 0.5, 0.3)),
        ("uncorrelated", ("E3", "E4", "E1"), (0.1, 0.3, 0.5)),
        ("cofactors", ("X2", "X4", "X3"), (0.8, 0.6, 0.4)),
        ("string", ("X5", "X6", "X1"), (0.9, 0.9, 0.4)),
    ],
)
def test_a_group_has_the_best_candidates_in_order_with_their_scores(kind, tfs, scores):
    group = choose(kind, size=3)
    assert (group.tfs, group.scores) == (tfs, scores)
    assert (group.kind, group.target, group.with_target) == (kind, "T", False)


@pytest.mark.parametrize("kind", list(GroupKind))
def test_the_target_replaces_the_last(kind):
    without, group = choose(kind, size=3), choose(kind, size=3, with_target=True)
    assert group.tfs == (*without.tfs[:2], "T")
    assert np.array_equal(group.scores, (*without.scores[:2], math.nan), equal_nan=True)
    assert len(without.tfs) == 3


def test_ties_are_broken_by_name():
    assert choose("cofactors", size=6).tfs == ("X2", "X4", "X3", "X1", "X7", "X5")


def test_too_few_candidates_give_what_there_is_and_say_so():
    group = choose("same-mode")
    assert group.tfs == ("E2", "E1", "E4", "E3")
    assert group.note == "only 4 of 5"
    # the target takes the fifth place, which is free
    group = choose("same-mode", with_target=True)
    assert group.tfs == ("E2", "E1", "E4", "E3", "T")
    assert group.note == ""
    group = choose("string", with_target=True)
    assert (group.tfs, group.note) == (("X5", "X6", "X1", "T"), "only 3 of 4")


def test_a_small_modes_groups_say_what_they_have_in_common():
    assert choose("uncorrelated", size=2).note == ""
    assert choose("uncorrelated", size=3).note == "2 in same-mode too"
    assert choose("uncorrelated").note == "only 4 of 5; 4 in same-mode too"


def test_pairs_that_are_not_compared_are_no_candidates():
    assert "X6" not in choose("cofactors", size=10).tfs
    assert "X6" in choose("random", size=10).tfs


def test_a_tf_without_a_mode_is_in_no_group():
    assert not any("N" in choose(kind, size=20).tfs for kind in GroupKind)


def test_groups_of_a_target_without_a_mode_say_so():
    group = choose("same-mode", target="N")
    assert (group.tfs, group.note) == ((), "N has no binding mode; no candidates")
    group = choose("cofactors", target="N")
    assert group.tfs == ("T",)
    assert group.note.startswith("N has no binding mode")
    assert choose("same-mode", target="N", with_target=True).tfs == ("N",)


def test_candidates_need_enough_bound_regions_and_the_target_does_not():
    few = relations(SCORES)
    few.num_bound[TFS.index("E2")] = 99
    few.num_bound[TFS.index("T")] = 3
    group = choose_group(GroupKind.SAME_MODE, "T", few, with_target=True)
    assert group.tfs == ("E1", "E4", "E3", "T")
    few.num_bound[TFS.index("E2")] = 100
    assert choose_group(GroupKind.SAME_MODE, "T", few, with_target=True).tfs[0] == "E2"


@pytest.mark.parametrize("target", TFS)
def test_pairs_of_tfs_are_compared_once_by_what_their_modes_say(target):
    found, at = relations(), TFS.index(target)
    assert found.has_mode.tolist() == [bool(MODES.of(tf)) for tf in TFS]
    assert found.shares_mode[at].tolist() == [MODES.share(tf, target) for tf in TFS]


def test_random_groups_are_of_other_modes_and_hang_on_seed_and_target():
    others = {tf for tf in TFS if tf.startswith("X")}
    groups = {seed: choose("random", seed=seed).tfs for seed in range(20)}
    assert all(set(tfs) < others and len(set(tfs)) == 5 for tfs in groups.values())
    assert len(set(groups.values())) > 10
    assert choose("random", seed=0).tfs == groups[0]
    assert all(math.isnan(score) for score in choose("random").scores)
    # other targets of the same modes draw others
    by_target = {tf: choose("random", target=tf).tfs for tf in ("T", "E1", "E2", "E3", "E4")}
    assert len(set(by_target.values())) > 1


def test_a_list_without_scores_keeps_its_order():
    group = choose("string", links=dict.fromkeys(["X5", "E1", "X1", "X3"], math.nan))
    assert group.tfs == ("X5", "X1", "X3")
    assert all(math.isnan(score) for score in group.scores)


def test_a_target_that_string_lacks_has_no_partners_and_says_so():
    group = choose("string", target="E1")
    assert (group.tfs, group.note) == ((), "STRING has no links of E1; no candidates")


def test_without_a_string_file_there_is_no_such_kind():
    assert GroupKind.STRING not in relations(None).kinds()
    assert relations(SCORES).kinds() == tuple(GroupKind)
    with pytest.raises(DataError, match="--string"):
        choose("string", links=None)


def test_an_unknown_target_answers_with_the_near_ones():
    with pytest.raises(DataError, match=r"no TF named 'E9'.*near: E"):
        choose("random", target="E9")
    with pytest.raises(DataError, match="data show"):
        choose("random", target="quite another")


@pytest.mark.parametrize("bad", [{"size": 0}, {"min_bound": -1}, {"seed": -1}])
def test_a_rule_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match=r"at least 1 TF|must not be negative"):
        GroupRule(**bad)


def test_relations_of_a_dataset(tmp_path):
    dataset: Dataset = tiny_dataset(tmp_path / "dataset")
    found = read_relations(dataset, load_modes())
    assert found.tfs == ("ELF1", "GABPA", "SPI1")
    codes = dataset.evidence(found.tfs)
    np.testing.assert_array_equal(found.num_bound, (codes == 4).sum(axis=0))
    # the same labels, wherever they are resolved
    np.testing.assert_array_equal(found.similarity.cosine, 1)
    np.testing.assert_array_equal(found.similarity.num_joint[0], [200, 200, 200])
    assert found.similarity.num_joint[2, 2] == 400


def test_modes_of_none_of_the_tfs_are_refused(tmp_path):
    dataset = tiny_dataset(tmp_path / "dataset")
    with pytest.raises(DataError, match=r"modes\.tsv: none of the dataset's 3 TFs.*--modes"):
        read_relations(dataset, MODES)
