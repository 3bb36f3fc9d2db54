"""A network comes back from disk bitwise, or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load, load_config, load_state, save
from model.errors import ModelError
from model.network import build_network
from model.network_config import NetworkConfig

CONFIG = NetworkConfig(num_tfs=3, conv_filters=(6, 6, 6), dense_units=(12,), dropout=0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = build_network(CONFIG, seed=0)
    network(torch.rand(4, 4, 200))
    save(tmp_path / "net", network, CONFIG)
    return tmp_path / "net"


def test_round_trip_is_bitwise(folder: Path) -> None:
    network = build_network(CONFIG, seed=0)
    network(torch.rand(4, 4, 200))
    save(folder, network, CONFIG)  # over what is there
    loaded = load(folder)
    assert load_config(folder) == CONFIG
    assert not loaded.training
    assert loaded.state_dict().keys() == load_state(folder).keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    inputs = torch.rand(5, 4, 200)
    assert torch.equal(loaded(inputs), network.eval()(inputs))
    assert sorted(file.name for file in folder.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


@pytest.mark.parametrize("file", [WEIGHTS_FILE, CONFIG_FILE])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_broken_file_is_named(folder: Path, file: str, damage: str) -> None:
    path = folder / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            b"" if damage == "empty" else path.read_bytes()[: path.stat().st_size // 2]
        )
    with pytest.raises(ModelError, match=file):
        load(folder)


def test_weights_that_do_not_fit_the_config_are_named_with_both_shapes(folder: Path) -> None:
    other = replace(CONFIG, num_tfs=4)
    save(folder.parent / "other", build_network(other, seed=0), other)
    (folder.parent / "other" / CONFIG_FILE).replace(folder / CONFIG_FILE)
    with pytest.raises(ModelError, match=r"output\.weight .*\(3, 12\).*\(4, 12\)"):
        load(folder)


def test_a_missing_layer_is_named(folder: Path) -> None:
    fields = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**fields, "dense_units": [12, 12]}))
    with pytest.raises(ModelError, match=r"dense2\.dense\.weight"):
        load(folder)


def test_an_unknown_field_of_the_config_is_named(folder: Path) -> None:
    fields = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**fields, "depth": 3}))
    with pytest.raises(ModelError, match="depth"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_tfs", 2.0), ("conv_filters", [4.5, 8, 8]), ("pool_width", 3.5), ("batch_norm", "no")],
)
def test_a_config_with_a_value_of_another_type_is_one_line_that_names_the_file(
    folder: Path, name: str, value: object
) -> None:
    fields = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**fields, name: value}))
    with pytest.raises(ModelError, match=rf"{CONFIG_FILE}: is no network's config .*{name}"):
        load(folder)
