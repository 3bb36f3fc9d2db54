import numpy as np
import pytest

from data.dataset.gc_matching import Strata
from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part, Sampling, default_chromosomes
from data.dataset.selection import Selection, _without, select_individual, select_multi
from data.errors import DataError
from data.schema import Evidence, view_labels

NUM_REGIONS = 2000


def make_regions(num: int = NUM_REGIONS, unknown: tuple[int, ...] = ()) -> RegionTable:
    rng = np.random.default_rng(7)
    num_unknown = np.zeros(num, dtype=np.uint8)
    num_unknown[list(unknown)] = 1
    start = np.arange(num, dtype=np.int32) * 200
    return RegionTable(
        chroms=("chr1", "chr2", "chr3", "chr4", "chr5"),
        chrom=(5 * np.arange(num) // num).astype(np.uint16),
        start=start,
        end=start + 200,
        gc=rng.uniform(0.2, 0.8, num).astype(np.float32),
        sequences=np.zeros((num, 50), dtype=np.uint8),
        num_unknown=num_unknown,
    )


def make_evidence(num_bound: int = 300, num: int = NUM_REGIONS) -> np.ndarray:
    """A tenth unmatched, a tenth of one source, `num_bound` bound, the rest unbound."""
    codes = np.full(num, Evidence.UNBOUND, dtype=np.uint8)
    order = np.random.default_rng(3).permutation(num)
    codes[order[: num // 10]] = Evidence.UNMATCHED
    codes[order[num // 10 : num // 5]] = Evidence.PEAK
    codes[order[-num_bound:]] = Evidence.BOUND
    return codes


def test_views_of_every_evidence_code():
    codes = np.array([0, 1, 2, 3, 4], dtype=np.uint8)
    assert view_labels(codes, "sparse").tolist() == [-1, 0, -1, -1, 1]
    assert view_labels(codes, "less-sparse").tolist() == [-1, 0, 0, 0, 1]


def test_a_multi_model_takes_the_rows_resolved_for_all_its_tfs():
    evidence = np.array([[1, 4], [0, 1], [2, 1], [4, 0], [3, 4], [1, 1]] * 10, dtype=np.uint8)
    selection = select_multi(make_regions(60, unknown=(5,)), list(evidence.T), Sampling())
    kept = [i for i in range(60) if i % 6 in (0, 2, 4, 5) and i != 5]
    assert selection.region_ids.tolist() == kept
    by_row = {0: [0, 1], 2: [0, 0], 4: [0, 1], 5: [0, 0]}
    assert selection.labels.tolist() == [by_row[i % 6] for i in kept]
    sizes = np.bincount(selection.part)
    assert sizes.tolist() == [31, 4, 4]


def test_a_masked_multi_model_takes_the_rows_resolved_for_any_of_its_tfs():
    evidence = np.array([[1, 4], [0, 1], [0, 0], [4, 0], [3, 4], [1, 1]] * 10, dtype=np.uint8)
    selection = select_multi(
        make_regions(60, unknown=(5,)), list(evidence.T), Sampling(), rows="resolved"
    )
    kept = [i for i in range(60) if i % 6 != 2 and i != 5]
    assert selection.region_ids.tolist() == kept
    by_row = {0: [0, 1], 1: [-1, 0], 3: [1, -1], 4: [0, 1], 5: [0, 0]}
    assert selection.labels.tolist() == [by_row[i % 6] for i in kept]
    assert selection.labels.dtype == np.int8


def test_all_models_of_a_seed_hold_back_the_same_regions_whatever_their_tfs():
    regions, evidence = make_regions(), make_evidence()
    other = np.where(np.arange(NUM_REGIONS) % 3, evidence, Evidence.UNMATCHED)
    sampling = Sampling(held_back=0.3, val_fraction=0.2, seed=4)
    complete = select_multi(regions, [evidence, other], sampling)
    masked = select_multi(regions, [evidence, other], sampling, rows="resolved")
    assert len(masked.region_ids) > len(complete.region_ids)
    both = np.isin(masked.region_ids, complete.region_ids)
    assert (masked.part[both] == complete.part).all()
    sizes = np.bincount(masked.part) / len(masked.part)
    assert sizes == pytest.approx([0.5, 0.2, 0.3], abs=0.03)

    own = select_individual(regions, evidence, sampling)
    held_back = masked.region_ids[masked.rows(Part.TEST)]
    bound = held_back[evidence[held_back] == Evidence.BOUND]
    assert set(own.region_ids[own.labels[:, 0] == 1]) == set(bound)
    assert not np.intersect1d(own.region_ids, masked.seen_in_training()).size
    assert np.bincount(own.part[own.labels[:, 0] == 1]).tolist()[0] == pytest.approx(
        0.7 * len(bound), abs=1
    )
    with pytest.raises(DataError, match=r"bound regions in the 0.3 of the regions that are held"):
        select_individual(regions, evidence, Sampling(held_back=0.3, num_bound=200), name="SPI1")


def test_an_individual_model_takes_bound_and_as_many_unbound_regions():
    evidence = make_evidence()
    selection = select_individual(make_regions(), evidence, Sampling())
    bound = selection.labels[:, 0] == 1
    assert set(selection.region_ids[bound]) == set(np.flatnonzero(evidence == Evidence.BOUND))
    assert (evidence[selection.region_ids[~bound]] == Evidence.UNBOUND).all()
    assert bound.sum() == 300 == (~bound).sum()
    for is_bound in (bound, ~bound):
        assert np.bincount(selection.part[is_bound]).tolist() == [240, 30, 30]


def test_unbound_regions_have_the_gc_distribution_of_bound_ones():
    regions = make_regions()
    rng = np.random.default_rng(0)
    bound = np.flatnonzero((regions.gc > 0.6) & (np.arange(NUM_REGIONS) % 4 == 0))
    pool = np.flatnonzero(np.arange(NUM_REGIONS) % 4 != 0)
    drawn = Strata(gc=regions.gc).matched(rng, bound, pool)
    edges = np.linspace(0, 1, 11)

    def histogram(ids):
        return np.histogram(regions.gc[ids], edges)[0].tolist()

    assert histogram(drawn) == histogram(bound)
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(pool)


def test_gc_bins_are_closed_on_the_right_and_a_poor_bin_gives_all_it_has():
    gc = np.array([0.3, 0.3, 0.3, 0.25, 0.35], dtype=np.float32)
    drawn = Strata(gc=gc).matched(np.random.default_rng(0), np.array([0, 1, 2]), np.array([3, 4]))
    assert drawn.tolist() == [3]  # 0.3 lies in (0.2, 0.3], as 0.25 does


def test_openness_is_matched_in_what_is_sampled_and_in_what_is_tested_on_beside_it():
    regions, evidence = make_regions(), make_evidence()
    strata = np.arange(NUM_REGIONS) % 2
    strata[evidence == Evidence.BOUND] = 1
    sampling = Sampling(num_bound=100, unbound_match="gc-and-openness")
    selection = select_individual(regions, evidence, sampling, openness=strata)
    assert (strata[selection.region_ids] == 1).all()
    assert (selection.labels[:, 0] == 0).sum() > 250
    by_gc = select_individual(regions, evidence, Sampling(num_bound=100))
    assert 0 < strata[by_gc.region_ids[by_gc.labels[:, 0] == 0]].mean() < 0.7
    assert set(selection.region_ids[selection.labels[:, 0] == 1]) == set(
        by_gc.region_ids[by_gc.labels[:, 0] == 1]
    )
    with pytest.raises(ValueError, match="strata of openness"):
        select_individual(regions, evidence, sampling)
    with pytest.raises(ValueError, match="give one of gc, gc-and-openness"):
        Sampling(unbound_match="gc and openness")  # type: ignore[arg-type]


def test_what_the_multi_model_saw_is_left_out():
    regions, evidence = make_regions(), make_evidence()
    multi = select_multi(regions, [evidence], Sampling())
    seen = multi.seen_in_training()
    assert len(seen) == (multi.part != Part.TEST).sum() > 0
    # what is left of it are the multi-model's test regions: too few bound ones for 300
    with pytest.raises(DataError, match=r"SPI1 has \d+ bound regions outside its multi-model"):
        select_individual(regions, evidence, Sampling(num_bound=300), excluded=seen, name="SPI1")
    selection = select_individual(regions, evidence, Sampling(), excluded=seen)
    assert not set(selection.region_ids) & set(seen)


def test_downsampling_tests_on_what_it_held_back():
    regions, evidence = make_regions(), make_evidence()
    sampling = Sampling(num_bound=100, max_test_per_class=80)
    selection = select_individual(regions, evidence, sampling)
    for label in (0, 1):
        part = selection.part[selection.labels[:, 0] == label]
        counts = np.bincount(part, minlength=3)
        # 100 split 80/10/10, and the tests filled up to 80
        assert counts[:2].tolist() == [80, 10]
        assert counts[Part.TEST] == 80
    assert len(set(selection.region_ids)) == len(selection.region_ids)


def test_what_was_not_drawn_is_the_sorted_difference():
    rng = np.random.default_rng(0)
    pool = np.flatnonzero(rng.random(300) < 0.5)
    for drawn in (np.sort(rng.choice(pool, 40, replace=False)), pool, pool[:0]):
        assert _without(pool, drawn).tolist() == np.setdiff1d(pool, drawn).tolist()


def test_regions_with_n_are_never_selected():
    evidence = make_evidence()
    bound = np.flatnonzero(evidence == Evidence.BOUND)
    regions = make_regions(unknown=tuple(bound[:50]))
    selection = select_individual(regions, evidence, Sampling())
    assert not set(bound[:50]) & set(selection.region_ids)


def test_chromosomes_are_held_out_whole():
    sampling = Sampling(
        split="chromosome", val_chroms=("chr2",), test_chroms=("chr4",), num_bound=100
    )
    regions = make_regions()
    selection = select_individual(regions, make_evidence(), sampling)
    chrom = regions.chrom_names[selection.region_ids]
    assert set(chrom[selection.rows(Part.TEST)]) == {"chr4"}
    assert set(chrom[selection.rows(Part.VAL)]) == {"chr2"}
    assert set(chrom[selection.rows(Part.TRAIN)]) == {"chr1", "chr3", "chr5"}


def test_the_seed_decides_and_zero_is_a_seed():
    regions, evidence = make_regions(), make_evidence()

    def ids(seed):
        sampling = Sampling(num_bound=50, seed=seed)
        return select_individual(regions, evidence, sampling).region_ids.tolist()

    assert ids(0) == ids(0) != ids(1)


@pytest.mark.parametrize(("num_bound", "wanted"), [(5, None), (60, 100)])
def test_too_few_bound_regions_are_told_with_both_numbers(num_bound, wanted):
    with pytest.raises(DataError, match=f"has {num_bound} bound regions, {wanted or 10} are"):
        select_individual(
            make_regions(), make_evidence(num_bound), Sampling(num_bound=wanted), name="SPI1"
        )


def test_a_part_without_regions_is_refused():
    sampling = Sampling(split="chromosome", val_chroms=("chr9",), test_chroms=("chr1",))
    with pytest.raises(DataError, match="no region is left to val on"):
        select_individual(make_regions(), make_evidence(), sampling)


def test_no_region_resolved_for_all_tfs_is_refused():
    evidence = np.array([[0, 1], [1, 0]] * 50, dtype=np.uint8)
    with pytest.raises(DataError, match="only 0 regions are resolved for all 2 TFs"):
        select_multi(make_regions(100), list(evidence.T), Sampling())


def test_held_out_chromosomes_are_those_nearest_a_tenth():
    assert default_chromosomes({"a": 60, "b": 22, "c": 11, "d": 8}) == ("d", "c")
    with pytest.raises(DataError, match="three chromosomes"):
        default_chromosomes({"a": 1, "b": 2})


@pytest.mark.parametrize(
    ("named", "val", "test"),
    [
        (["b"], "d", "c"),  # what is chosen without names stays where it can
        (["d"], "c", "c"),
        (["c"], "d", "d"),
        (["c", "d"], "b", "b"),
    ],
)
def test_a_chromosome_that_was_named_is_not_chosen(named, val, test):
    assert default_chromosomes({"a": 60, "b": 22, "c": 11, "d": 8}, named) == (val, test)


def test_named_chromosomes_leave_one_to_train_on():
    counts = {"a": 60, "b": 22, "c": 11, "d": 8}
    with pytest.raises(DataError, match="a, b, c leave no chromosome"):
        default_chromosomes(counts, ["a", "b", "c"])


@pytest.mark.parametrize(
    "options",
    [
        {"num_bound": 5},
        {"val_fraction": 0.0},
        {"val_fraction": 0.5, "test_fraction": 0.5},
        {"gc_bins": 0},
        {"held_back": 0.0},
        {"held_back": 0.9},
        {"held_back": 0.3, "split": "chromosome", "val_chroms": ("a",), "test_chroms": ("b",)},
        {"seed": -1},
        {"split": "chromosome"},
        {"split": "chromosome", "val_chroms": ("a",), "test_chroms": ("a",)},
    ],
)
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError):
        Sampling(**options)


@pytest.mark.parametrize("split", ["random", "chromosome"])
def test_a_learning_curves_steps_nest_and_are_tested_on_the_same_regions(split):
    regions, evidence = make_regions(), make_evidence()
    by_chrom = split == "chromosome"

    def select(fraction):
        sampling = Sampling(
            seed=3,
            split=split,
            train_fraction=fraction,
            val_chroms=("chr2",) if by_chrom else (),
            test_chroms=("chr1",) if by_chrom else (),
        )
        return select_individual(regions, evidence, sampling)

    whole, half, eighth = select(None), select(0.5), select(0.125)
    for fewer, fraction in ((half, 0.5), (eighth, 0.125)):
        assert np.array_equal(
            fewer.region_ids[fewer.rows(Part.TEST)], whole.region_ids[whole.rows(Part.TEST)]
        )
        for part in (Part.TRAIN, Part.VAL):
            for label in (0, 1):
                num = int((fewer.labels[fewer.rows(part), 0] == label).sum())
                of_all = int((whole.labels[whole.rows(part), 0] == label).sum())
                assert num == max(1, round(fraction * of_all))
    for part in Part:
        ids = [one.region_ids[one.rows(part)] for one in (eighth, half, whole)]
        assert set(ids[0]) <= set(ids[1]) <= set(ids[2])


@pytest.mark.parametrize("fraction", [0, 1, -0.5])
def test_a_step_is_a_fraction(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sampling(train_fraction=fraction)


@pytest.mark.parametrize("split", ["random", "chromosome"])
def test_an_exact_number_is_of_what_is_trained_and_validated_on(split):
    regions, evidence = make_regions(), make_evidence()
    by_chrom = split == "chromosome"

    def select(train_bound: int | None) -> Selection:
        sampling = Sampling(
            seed=3,
            split=split,
            train_bound=train_bound,
            val_chroms=("chr2",) if by_chrom else (),
            test_chroms=("chr1",) if by_chrom else (),
        )
        return select_individual(regions, evidence, sampling)

    whole = select(None)
    last = whole
    for number in (101, 25):
        found = select(number)
        learnt = found.part != Part.TEST
        assert int((found.labels[learnt, 0] == 1).sum()) == number
        assert int((found.labels[learnt, 0] == 0).sum()) == number
        assert np.array_equal(found.only(Part.TEST).region_ids, whole.only(Part.TEST).region_ids)
        assert set(found.region_ids) <= set(last.region_ids)
        last = found
    with pytest.raises(DataError, match="bound regions to train and validate on, 1000 are needed"):
        select(1000)
    with pytest.raises(ValueError, match="exclude each other"):
        Sampling(train_bound=100, train_fraction=0.5)
    with pytest.raises(ValueError, match="at least 10 are needed"):
        Sampling(train_bound=9)
