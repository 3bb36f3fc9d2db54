"""The training loop: seeds, best weights, stopping, unresolved labels, both strands."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.encoding import encode_one_hot, reverse_complement
from model.errors import ModelError
from model.network import build_network
from model.network_config import NetworkConfig
from model.prediction import predict
from model.training.batches import Batches, batch_bounds, mean_loss
from model.training.loop import Epoch, Examples, StateFile, TrainingConfig, TrainingContext, train

CONFIG = TrainingConfig(lr=0.01, batch_size=16, max_epochs=3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(num_tfs: int = 1, seed: int = 0) -> Any:
    config = NetworkConfig(num_tfs=num_tfs, conv_filters=(8, 8, 8), dense_units=(16, 16))
    return build_network(config, seed=seed)


def random_examples(num: int, num_tfs: int = 1, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (num, num_tfs)).astype(np.float32)
    return Examples(rng.integers(0, 256, (num, 50), dtype=np.uint8), labels)


def copies(network: Any) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def trained(seed: int, config: TrainingConfig = CONFIG) -> dict[str, Tensor]:
    network = small()
    train(network, random_examples(40), random_examples(10, seed=1), config, seed=seed)
    return copies(network)


# seeds


def test_same_seed_bitwise_same_weights_and_another_seed_others() -> None:
    assert same(trained(seed=0), trained(seed=0))
    assert not same(trained(seed=0), trained(seed=1))


def test_the_random_state_of_the_caller_neither_matters_nor_moves() -> None:
    torch.manual_seed(1)
    first = trained(seed=0)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert same(first, trained(seed=0))
    assert torch.equal(torch.get_rng_state(), before)


# best weights and stopping


def contrary_examples() -> tuple[Examples, Examples]:
    """Validation examples with the opposite labels: learning makes their loss rise."""
    train_set = random_examples(60)
    return train_set, Examples(train_set.sequences, 1 - train_set.labels)


def test_ends_with_the_weights_of_the_best_epoch() -> None:
    network = small()
    states: list[dict[str, Tensor]] = []
    epochs: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        epochs.append(epoch)
        states.append(copies(network))

    config = replace(CONFIG, max_epochs=8)
    result = train(
        network, *contrary_examples(), config, seed=0, context=TrainingContext(on_epoch=on_epoch)
    )
    losses = [epoch.val_loss for epoch in result.history]
    assert tuple(epochs) == result.history
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert result.best_epoch == 1 + int(np.argmin(losses)) < 8
    assert losses[-1] > result.best_val_loss == min(losses)
    assert same(copies(network), states[result.best_epoch - 1])
    assert not same(copies(network), states[-1])


@pytest.mark.parametrize("patience", [1, 2])
def test_stops_when_patience_is_over(patience: int) -> None:
    config = replace(CONFIG, max_epochs=40, patience=patience)
    result = train(small(), *contrary_examples(), config, seed=0)
    assert len(result.history) == result.best_epoch + patience < 40


def test_no_epochs_train_nothing() -> None:
    network = small()
    before = copies(network)
    examples = random_examples(20)
    result = train(network, examples, examples, replace(CONFIG, max_epochs=0), seed=0)
    assert same(copies(network), before)
    assert (result.history, result.best_epoch) == ((), 0)
    # both strands, in eval mode
    inputs = encode_one_hot(torch.from_numpy(examples.sequences))
    logits = network.eval()(torch.cat([inputs, inputs.flip(1, 2)]))
    labels = torch.from_numpy(examples.labels).repeat(2, 1)
    expected = F.binary_cross_entropy_with_logits(logits, labels).item()
    assert result.best_val_loss == pytest.approx(expected, rel=1e-5)


# batches


def test_batches_cover_every_example_and_none_is_of_one() -> None:
    assert batch_bounds(200, 100) == [(0, 100), (100, 200)]
    assert batch_bounds(202, 100) == [(0, 100), (100, 200), (200, 202)]
    assert batch_bounds(201, 100) == [(0, 100), (100, 201)]
    assert batch_bounds(3, 100) == [(0, 3)]
    assert batch_bounds(1, 100) == [(0, 1)]


def test_a_last_batch_of_one_is_trained() -> None:
    config = replace(CONFIG, batch_size=2, both_strands=False, max_epochs=1)
    result = train(small(), random_examples(5), random_examples(1), config, seed=0)
    assert result.best_epoch == 1


def test_both_strands_are_examples_with_the_same_labels() -> None:
    examples = random_examples(6, num_tfs=2)
    device = torch.device("cpu")
    both = Batches(examples, "training", batch_size=4, strands="both", device=device)
    assert len(both) == 12
    assert both.bounds == [(0, 4), (4, 8), (8, 12)]
    inputs, labels = both.inputs_and_labels(torch.arange(12))
    forward = encode_one_hot(torch.from_numpy(examples.sequences))
    assert torch.equal(inputs, torch.cat([forward, forward.flip(1, 2)]))
    assert torch.equal(labels, torch.from_numpy(examples.labels).repeat(2, 1))
    one = Batches(examples, "training", batch_size=4, strands="forward", device=device)
    assert len(one) == 6


def test_of_a_random_strand_each_epoch_has_one_of_each_example() -> None:
    num = 200
    batches = Batches(
        random_examples(num),
        "training",
        batch_size=50,
        strands="random",
        device=torch.device("cpu"),
    )
    assert len(batches) == num
    assert batches.bounds[-1] == (150, 200)
    generator = torch.Generator().manual_seed(0)
    epochs = [batches.shuffled(generator) for _ in range(2)]
    for rows in epochs:
        assert sorted((rows % num).tolist()) == list(range(num))
    reverse = [{row - num for row in rows.tolist() if row >= num} for rows in epochs]
    assert all(70 < len(found) < 130 for found in reverse)
    assert 70 < len(reverse[0] ^ reverse[1]) < 130  # drawn anew
    assert torch.equal(batches.shuffled(torch.Generator().manual_seed(0)), epochs[0])


def test_a_random_strand_is_validated_on_the_forward_one() -> None:
    examples = random_examples(30)
    config = replace(CONFIG, max_epochs=0)
    losses = [
        train(small(), examples, examples, one, seed=0).best_val_loss
        for one in (replace(config, random_strand=True), replace(config, both_strands=False))
    ]
    assert (
        losses[0] == losses[1] != train(small(), examples, examples, config, seed=0).best_val_loss
    )
    with pytest.raises(ValueError, match="random_strand draws one of both strands"):
        replace(config, random_strand=True, both_strands=False)


@pytest.mark.parametrize(("min_steps", "epochs"), [(0, 3), (6, 3), (7, 4), (20, 10)])
def test_few_examples_are_trained_on_for_as_many_steps_as_asked(
    min_steps: int, epochs: int
) -> None:
    # 32 examples in batches of 16: two steps an epoch
    config = replace(CONFIG, min_steps=min_steps)
    result = train(small(), random_examples(16), random_examples(4), config, seed=0)
    assert len(result.history) == epochs
    assert replace(config, max_epochs=0).num_epochs(2) == 0
    with pytest.raises(ValueError, match="min_steps is -1"):
        replace(CONFIG, min_steps=-1)


def test_a_prediction_of_both_strands_is_their_mean() -> None:
    network, sequences = small(num_tfs=2), random_examples(7).sequences
    backward = reverse_complement(torch.from_numpy(sequences)).numpy()
    mean = (predict(network, sequences) + predict(network, backward)) / 2
    both = predict(network, sequences, both_strands=True)
    np.testing.assert_array_equal(both, mean)
    np.testing.assert_array_equal(both, predict(network, backward, both_strands=True))
    assert not np.array_equal(both, predict(network, sequences))


# unresolved labels


def test_packed_labels_give_the_same_bits() -> None:
    examples = random_examples(40, num_tfs=3)
    examples.labels[::3, 1] = np.nan
    packed = np.where(np.isnan(examples.labels), -1, examples.labels).astype(np.int8)
    ends = []
    for labels in (examples.labels, packed):
        network = small(num_tfs=3)
        val = Examples(examples.sequences[:10], labels[:10])
        result = train(network, Examples(examples.sequences, labels), val, CONFIG, seed=0)
        ends.append((copies(network), [epoch.val_loss for epoch in result.history]))
    assert same(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([[2], [0]], dtype=np.int8), "1 labels are not 0, 1 or -1 .first: 2."),
        (np.array([[0.5], [0]], dtype=np.float32), "1 labels are not 0, 1 or NaN"),
        (np.array([[1], [0]]), "labels are int64; give float32 or int8"),
    ],
)
def test_labels_of_another_kind_are_refused(labels: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Examples(random_examples(2).sequences, labels)


def test_loss_is_the_mean_over_resolved_cells_and_the_others_have_no_gradient() -> None:
    logits = torch.tensor([[0.0, 1.0], [-2.0, 3.0]], requires_grad=True)
    labels = torch.tensor([[1.0, math.nan], [0.0, 1.0]])
    loss, count = mean_loss(logits, labels)
    by_hand = (math.log(2) + math.log1p(math.exp(-2)) + math.log1p(math.exp(-3))) / 3
    assert count == 3
    assert loss.item() == pytest.approx(by_hand, rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert torch.count_nonzero(logits.grad) == 3


def test_a_batch_without_resolved_cells_has_loss_and_gradient_zero() -> None:
    logits = torch.ones(2, 1, requires_grad=True)
    loss, count = mean_loss(logits, torch.full((2, 1), math.nan))
    loss.backward()
    assert (loss.item(), count.item()) == (0.0, 0)
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_resolved_batch_has_the_plain_mean() -> None:
    logits, labels = torch.randn(5, 3), torch.randint(0, 2, (5, 3)).float()
    loss, _ = mean_loss(logits, labels)
    expected = F.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(loss, expected)


def test_epoch_loss_is_the_mean_over_all_resolved_cells() -> None:
    network = small(num_tfs=3).eval()
    examples = random_examples(33, num_tfs=3)
    examples.labels[::2, 1] = np.nan
    config = replace(CONFIG, max_epochs=0, both_strands=False)
    result = train(network, examples, examples, config, seed=0)
    probability = predict(network, examples.sequences)
    resolved = ~np.isnan(examples.labels)
    hit = np.where(examples.labels == 1, probability, 1 - probability)[resolved]
    assert result.best_val_loss == pytest.approx(-np.log(hit).mean(), rel=1e-4)


def test_a_tf_without_resolved_labels_is_not_learnt() -> None:
    examples = random_examples(40, num_tfs=2)
    examples.labels[:, 1] = np.nan
    network = small(num_tfs=2)
    before = copies(network)["output.weight"]
    train(network, examples, examples, CONFIG, seed=0)
    after = copies(network)["output.weight"]
    assert torch.equal(after[1], before[1])
    assert not torch.equal(after[0], before[0])


# what is given back, and what is refused


def test_modes_are_given_back_as_found() -> None:
    network = small()
    network.conv1.eval()
    modes = [module.training for module in network.modules()]
    assert len(set(modes)) == 2
    train(network, random_examples(20), random_examples(5), CONFIG, seed=0)
    assert [module.training for module in network.modules()] == modes
    predict(network, random_examples(5).sequences)
    assert [module.training for module in network.modules()] == modes


def test_frozen_weights_stay() -> None:
    network = small()
    frozen = network.conv1.conv.weight
    frozen.requires_grad_(False)
    before = frozen.clone()
    train(network, random_examples(20), random_examples(5), CONFIG, seed=0)
    assert torch.equal(frozen, before)
    network.requires_grad_(False)
    with pytest.raises(ModelError, match="frozen"):
        train(network, random_examples(20), random_examples(5), CONFIG, seed=0)


FROZEN = ("conv1", "dense1")


def test_frozen_layers_keep_weights_and_statistics_and_the_others_learn() -> None:
    network = small()
    network.output.bias.requires_grad_(False)
    flags = [weight.requires_grad for weight in network.parameters()]
    before = copies(network)
    config = replace(CONFIG, frozen=FROZEN)
    train(network, random_examples(40), random_examples(10, seed=1), config, seed=0)
    after = copies(network)
    for name, tensor in before.items():
        stays = name.split(".")[0] in FROZEN or name == "output.bias"
        assert torch.equal(tensor, after[name]) == stays, name
    assert any(name.startswith("conv1.norm.running_mean") for name in before)
    assert [weight.requires_grad for weight in network.parameters()] == flags
    assert all(module.training for module in network.modules())


def test_a_frozen_layer_drops_nothing() -> None:
    network = small()
    seen: list[tuple[bool, bool]] = []

    def note(*_: Any) -> None:
        seen.append((network.dense1.dropout.training, network.dense2.dropout.training))

    config = replace(CONFIG, frozen=FROZEN, max_epochs=1)
    handle = network.output.register_forward_pre_hook(note)
    train(network, random_examples(20), random_examples(5), config, seed=0)
    handle.remove()
    assert set(seen) == {(False, True), (False, False)}  # training, then validation


def test_what_cannot_be_frozen_is_refused_and_leaves_the_flags_alone() -> None:
    network = small()
    examples = random_examples(20)
    with pytest.raises(ModelError, match=r"named 'conv'; there are: conv1, conv2, conv3, dense1"):
        train(network, examples, examples, replace(CONFIG, frozen=("conv",)), seed=0)
    every = tuple(name for name, _ in network.named_children())
    with pytest.raises(ModelError, match="every layer is frozen"):
        train(network, examples, examples, replace(CONFIG, frozen=every), seed=0)
    assert all(weight.requires_grad for weight in network.parameters())
    a_name: Any = "conv1"
    from_json: Any = ["conv1"]
    with pytest.raises(ValueError, match="frozen is 'conv1'; give a list"):
        replace(CONFIG, frozen=a_name)
    assert replace(CONFIG, frozen=from_json) == replace(CONFIG, frozen=("conv1",))


def test_a_loss_that_is_not_finite_names_the_epoch_and_the_remedy() -> None:
    network = small()
    nn.init.constant_(network.output.weight, math.inf)
    with pytest.raises(ModelError, match=r"epoch 1: the training loss is .* lower lr"):
        train(network, random_examples(20), random_examples(5), CONFIG, seed=0)
    assert network.training


def test_too_few_examples_are_refused() -> None:
    some, none = random_examples(5), random_examples(0)
    with pytest.raises(ModelError, match="no training examples"):
        train(small(), none, some, CONFIG, seed=0)
    with pytest.raises(ModelError, match="no validation examples"):
        train(small(), some, none, CONFIG, seed=0)
    with pytest.raises(ModelError, match="2 or more"):
        config = replace(CONFIG, both_strands=False)
        train(small(), random_examples(1), some, config, seed=0)
    some.labels[:] = np.nan
    with pytest.raises(ModelError, match="no validation label is resolved"):
        train(small(), random_examples(5), some, CONFIG, seed=0)


def test_examples_that_do_not_match_are_refused() -> None:
    sequences = np.zeros((3, 50), dtype=np.uint8)
    with pytest.raises(ModelError, match="row of labels"):
        Examples(sequences, np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(ModelError, match=r"not 0, 1 or NaN \(first: -1.0\)"):
        Examples(sequences, np.array([[0], [-1], [1]], dtype=np.float32))
    with pytest.raises(ModelError, match="packed"):
        Examples(sequences.astype(np.float32), np.zeros((3, 1), dtype=np.float32))
    with pytest.raises(ModelError, match="float32"):
        Examples(sequences, np.zeros((3, 1)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"lr": 0.0},
        {"lr": math.nan},
        {"batch_size": 1},
        {"max_epochs": -1},
        {"patience": 0},
        {"weight_decay": -0.1},
    ],
)
def test_a_config_out_of_range_is_refused(fields: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        replace(CONFIG, **fields)


# prediction and learning


def test_prediction_is_of_the_forward_strand_in_eval_mode() -> None:
    network = small(num_tfs=2)
    sequences = random_examples(7).sequences
    sequences.setflags(write=False)
    expected = torch.sigmoid(network.eval()(encode_one_hot(torch.tensor(sequences))))
    network.train()
    predicted = predict(network, sequences, batch_size=3)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected.detach().numpy(), rtol=1e-5)
    assert predict(network, sequences[:0]).shape == (0, 2)


def planted(num: int, seed: int) -> Examples:
    """Random sequences; the bound half has GGAAGTGAAACC somewhere, on a byte's start."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (num, 200))
    motif = ["ACGT".index(base) for base in "GGAAGTGAAACC"]
    bound = np.arange(num) % 2
    for row in np.flatnonzero(bound):
        start = rng.integers(0, 189)
        codes[row, start : start + 12] = motif
    packed = (codes.reshape(num, 50, 4) << np.array([0, 2, 4, 6])).sum(axis=2)
    return Examples(packed.astype(np.uint8), bound[:, None].astype(np.float32))


@pytest.mark.slow
def test_a_planted_motif_is_learnt() -> None:
    sizes = NetworkConfig(num_tfs=1, conv_filters=(16, 16, 16), dense_units=(16,))
    network = build_network(sizes, seed=0)
    config = TrainingConfig(lr=0.01, batch_size=50, max_epochs=4)
    result = train(network, planted(2000, 0), planted(100, 1), config, seed=0)
    assert result.best_val_loss < 0.35  # log 2 = 0.69 is chance
    test = planted(200, 2)
    called = predict(network, test.sequences) >= 0.5
    assert np.mean(called == (test.labels == 1)) > 0.85


# resuming after a kill


class Killed(Exception):
    """Stands for a process that ends in the middle of a training."""


def kill_after(epochs: int) -> Callable[[Epoch], None]:
    def on_epoch(epoch: Epoch) -> None:
        if epoch.epoch == epochs:
            raise Killed

    return on_epoch


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"keep": "last", "weight_decay": 0.01},
        {"random_strand": True, "precision": "bfloat16"},
        {"frozen": ("conv1",), "patience": 2},
    ],
)
def test_a_training_goes_on_from_its_last_epoch_with_the_same_bits(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    config = replace(CONFIG, max_epochs=6, **changes)
    examples, val = random_examples(60, num_tfs=2), random_examples(20, num_tfs=2, seed=1)
    whole = small(num_tfs=2)
    expected = train(whole, examples, val, config, seed=3)
    file = StateFile(path=tmp_path / "states" / "run.safetensors", every_seconds=0)
    for stop in (1, 2):
        network = small(num_tfs=2, seed=stop - 1)  # the second one's weights come from the file
        on_epoch = kill_after(stop)
        with pytest.raises(Killed):
            train(
                network,
                examples,
                val,
                config,
                seed=3,
                context=TrainingContext(on_epoch=on_epoch, state_file=file),
            )
    assert [path.name for path in file.path.parent.iterdir()] == ["run.safetensors"]
    told: list[int] = []
    network = small(num_tfs=2, seed=5)
    result = train(
        network,
        examples,
        val,
        config,
        seed=3,
        context=TrainingContext(on_epoch=lambda epoch: told.append(epoch.epoch), state_file=file),
    )
    assert told == list(range(3, len(expected.history) + 1))
    assert same(copies(network), copies(whole))
    losses = [(e.epoch, e.train_loss, e.val_loss) for e in expected.history]
    assert [(e.epoch, e.train_loss, e.val_loss) for e in result.history] == losses
    assert (result.best_epoch, result.best_val_loss) == (
        expected.best_epoch,
        expected.best_val_loss,
    )
    # killed after the last epoch: nothing is left to train
    again = small(num_tfs=2, seed=6)
    train(
        again,
        examples,
        val,
        config,
        seed=3,
        context=TrainingContext(on_epoch=kill_after(1), state_file=file),
    )
    assert same(copies(again), copies(whole))
    file.remove()
    file.remove()
    assert not file.path.exists()


def test_a_state_that_does_not_fit_or_is_damaged_is_not_gone_on_from(tmp_path: Path) -> None:
    file = StateFile(path=tmp_path / "run.safetensors", every_seconds=0)
    examples = random_examples(30, num_tfs=2)
    train(
        small(num_tfs=2),
        examples,
        examples,
        CONFIG,
        seed=0,
        context=TrainingContext(state_file=file),
    )
    of_two_tfs = file.path.read_bytes()
    expected = trained(seed=0)
    for content in (of_two_tfs, of_two_tfs[:1000], b"", b"no tensors"):
        file.path.write_bytes(content)
        network = small()
        val = random_examples(10, seed=1)
        result = train(
            network,
            random_examples(40),
            val,
            CONFIG,
            seed=0,
            context=TrainingContext(state_file=file),
        )
        assert len(result.history) == CONFIG.max_epochs
        assert same(copies(network), expected)


def test_short_trainings_keep_no_state_and_one_that_cannot_be_written_ends_nothing(
    tmp_path: Path,
) -> None:
    file = StateFile(path=tmp_path / "run.safetensors")
    examples = random_examples(20)
    train(small(), examples, examples, CONFIG, seed=0, context=TrainingContext(state_file=file))
    assert not file.path.exists()
    (tmp_path / "file").write_text("")
    blocked = StateFile(path=tmp_path / "file" / "run.safetensors", every_seconds=0)
    result = train(
        small(), examples, examples, CONFIG, seed=0, context=TrainingContext(state_file=blocked)
    )
    assert len(result.history) == CONFIG.max_epochs
