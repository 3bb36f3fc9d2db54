"""Packed bases to one-hot, and reverse complements, against a base-by-base encoder."""

import numpy as np
import torch

from model.encoding import OneHotEncoder, encode_one_hot, reverse_complement

BASES = "ACGT"
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


def pack(*sequences: str) -> torch.Tensor:
    """Packed bases as the dataset has them, base by base."""
    packed = np.zeros((len(sequences), len(sequences[0]) // 4), dtype=np.uint8)
    for row, sequence in enumerate(sequences):
        for i, base in enumerate(sequence):
            packed[row, i // 4] |= BASES.index(base) << (2 * (i % 4))
    return torch.from_numpy(packed)


def random_sequences(num: int, length_bp: int) -> list[str]:
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list(BASES), length_bp)) for _ in range(num)]


def test_one_hot_equals_a_naive_encoder() -> None:
    sequences = random_sequences(7, 200)
    naive = torch.zeros(7, 4, 200)
    for row, sequence in enumerate(sequences):
        for i, base in enumerate(sequence):
            naive[row, BASES.index(base), i] = 1.0
    encoded = encode_one_hot(pack(*sequences))
    assert encoded.dtype == torch.float32
    assert torch.equal(encoded, naive)


def test_one_hot_needs_no_copy_in_the_network() -> None:
    inputs = OneHotEncoder()(pack(*random_sequences(3, 200)))
    assert inputs.unsqueeze(2).is_contiguous(memory_format=torch.channels_last)


def test_reverse_complement_by_hand() -> None:
    # AACGTTTG read backwards is GTTTGCAA, its complement CAAACGTT
    assert torch.equal(reverse_complement(pack("AACGTTTG")), pack("CAAACGTT"))
    assert torch.equal(reverse_complement(pack("ACGT")), pack("ACGT"))
    assert torch.equal(reverse_complement(pack("AAAA")), pack("TTTT"))


def test_reverse_complement_equals_a_naive_one_and_is_its_own_inverse() -> None:
    sequences = random_sequences(20, 200)
    packed = pack(*sequences)
    naive = ["".join(COMPLEMENT[base] for base in reversed(s)) for s in sequences]
    flipped = reverse_complement(packed)
    assert torch.equal(flipped, pack(*naive))
    assert torch.equal(reverse_complement(flipped), packed)
    # on one-hot codes it turns positions and channels round
    assert torch.equal(encode_one_hot(flipped), encode_one_hot(packed).flip(1, 2))


def test_no_sequences_encode_to_none() -> None:
    none = torch.zeros(0, 50, dtype=torch.uint8)
    assert encode_one_hot(none).shape == (0, 4, 200)
    assert reverse_complement(none).shape == (0, 50)
