"""A network on disk: a folder with its tensors and, beside them, its config.

`weights.safetensors` holds the state dict, `network.json` the fields of
:class:`model.network_config.NetworkConfig`. Nothing is pickled. Each file is written beside its
place and moved in; the config goes first, so that weights never lie without one.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from model.errors import ModelError
from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig

WEIGHTS_FILE: Final = "weights.safetensors"
CONFIG_FILE: Final = "network.json"


def save(
    path: Path,
    network: nn.Module,
    config: NetworkConfig,
    *,
    rounded_to: torch.dtype | None = None,
) -> None:
    """Write a network's weights and config into the folder `path`, made if it is not there.

    Parameters
    ----------
    path
        The folder.
    network, config
        The network and its sizes.
    rounded_to
        The 16-bit format that weights are rounded to, which halves the file. Vectors, such as the
        statistics of batch norm, stay as they are. By default nothing is rounded.

    Raises
    ------
    OSError
        They cannot be written: no space, no rights.
    """
    path.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(config), indent=2) + "\n"
    beside = path / f".{CONFIG_FILE}.{os.getpid()}"
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path / CONFIG_FILE)
    # safetensors takes only tensors that are contiguous; filters lie channels last
    state = {
        name: _rounded(tensor.detach().cpu(), rounded_to).contiguous()
        for name, tensor in network.state_dict().items()
    }
    beside = path / f".{WEIGHTS_FILE}.{os.getpid()}"
    # `save_file` would report a full disk by an error of its own
    beside.write_bytes(to_bytes(state))
    os.replace(beside, path / WEIGHTS_FILE)


def _rounded(tensor: Tensor, to: torch.dtype | None) -> Tensor:
    """Round a matrix or filters; a vector is given back as it is."""
    return tensor if to is None or tensor.dim() < 2 else tensor.to(to)


def load_state(path: Path) -> dict[str, Tensor]:
    """State dict, on the CPU, of the network in the folder `path`.

    Raises
    ------
    ModelError
        The file is missing or is not a whole safetensors file.
    """
    file = path / WEIGHTS_FILE
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{file}: cannot be read ({error}); train this network again") from error


def load_config(path: Path) -> NetworkConfig:
    """Config of the network in the folder `path`.

    Raises
    ------
    ModelError
        The file is missing or holds no network's config.
    """
    file = path / CONFIG_FILE
    try:
        return NetworkConfig(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{file}: is no network's config ({error}); train this network again"
        ) from error


def load(path: Path) -> nn.Module:
    """Network in the folder `path`, on the CPU, in eval mode.

    Raises
    ------
    ModelError
        A file is missing or broken, or the weights do not fit the config; names the layer and
        both shapes.
    """
    config, state = load_config(path), load_state(path)
    expected = _expected(path, config)
    file = path / WEIGHTS_FILE
    for name in [*expected, *(name for name in state if name not in expected)]:
        if name not in state or name not in expected:
            missing = "weights" if name in expected else "config's network"
            raise ModelError(f"{file}: layer {name} is not in the {missing}; train it again")
        if state[name].shape != expected[name].shape:
            raise ModelError(
                f"{file}: layer {name} has shape {tuple(state[name].shape)}, by {CONFIG_FILE} it"
                f" should be {tuple(expected[name].shape)}; train it again"
            )
    network = build_network(config, seed=0)
    network.load_state_dict(state)
    return network.eval()


def _expected(path: Path, config: NetworkConfig) -> dict[str, Tensor]:
    """State dict of a network of shapes alone: a config from elsewhere may ask for any memory."""
    try:
        with torch.device("meta"):
            return BindingNetwork(config).state_dict()
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ModelError(f"{path / CONFIG_FILE}: no network has such sizes ({error})") from error
