import numpy as np
import pytest

from data.packing import UNKNOWN, encode, gc_fraction, pack, reverse_complement, unpack


def codes_of(text: str) -> np.ndarray:
    return encode(np.frombuffer(text.encode(), dtype=np.uint8))[None]


def test_bases_are_coded_in_either_case_and_others_are_unknown():
    assert codes_of("ACGTacgtNnRx-").tolist() == [[0, 1, 2, 3, 0, 1, 2, 3] + [UNKNOWN] * 5]


def test_first_base_lies_in_the_lowest_bits():
    assert pack(codes_of("CAAATGCA")).tolist() == [[1, 3 + (2 << 2) + (1 << 4)]]


def test_unpack_undoes_pack():
    codes = np.random.default_rng(0).integers(0, 4, (50, 200)).astype(np.uint8)
    np.testing.assert_array_equal(unpack(pack(codes)), codes)


def test_reverse_complement_of_a_known_sequence():
    packed = pack(codes_of("AACCGTTA"))
    np.testing.assert_array_equal(unpack(reverse_complement(packed)), codes_of("TAACGGTT"))
    np.testing.assert_array_equal(reverse_complement(reverse_complement(packed)), packed)


def test_gc_fraction_counts_c_and_g_over_all_bases():
    assert gc_fraction(codes_of("ACGTGGNN")).tolist() == [0.5]


@pytest.mark.parametrize("text", ["ACG", "ACGN"])
def test_what_does_not_fit_is_not_packed(text):
    with pytest.raises(ValueError, match="cannot pack"):
        pack(codes_of(text))
