"""Loads a network registered in MLflow and predicts from sequences; needs nothing of bindgrid.

A copy of this file goes with each registered model, as module `bindgrid_model`, that MLflow imports
wherever the model is loaded: it may use torch, numpy and pandas alone, and what lies in the model's
``data`` folder: ``network.json`` and ``weights.safetensors``, as `model.checkpoint` wrote them, and
under ``code`` the files of bindgrid's package `model` that read them. Nothing is unpickled.

A model of several networks or TFs, or with calibrations, has ``served.json``: ``columns``, a name
for each TF, and ``networks``, for each its ``folder`` and by TF ``outputs``, ``slopes`` and
``intercepts``. The logits of both strands are averaged and calibrated, and the probabilities of the
networks averaged. Without the file there is one network of one TF, whose probabilities of both
strands are averaged.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:  # bindgrid copies this file without predicting
    import torch

COLUMN: Final = "sequence"
PROBABILITY: Final = "probability"
BATCH: Final = 200
"""Sequences of a pass, as `model.device.ON_CPU` has it."""
SETTINGS_FILE: Final = "served.json"
_ONE_NETWORK: Final[dict[str, Any]] = {
    "columns": [PROBABILITY],
    "networks": [{"folder": ".", "outputs": [0]}],
}

_UNKNOWN: Final = 4
_CODES: Final = np.full(256, _UNKNOWN, dtype=np.uint8)
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"Tt")):
    _CODES[list(_letters)] = _code


class SequenceModel:
    """A network in the form that MLflow's pyfunc expects.

    Parameters
    ----------
    folder
        With the network and the code that reads it.
    """

    def __init__(self, folder: Path) -> None:
        settings = folder / SETTINGS_FILE
        self._served = json.loads(settings.read_text()) if settings.exists() else _ONE_NETWORK
        places = [folder / one["folder"] for one in self._served["networks"]]
        config = json.loads((places[0] / "network.json").read_text())
        self.length_bp: int = config["length_bp"]
        with _shipped_code(folder / "code") as (checkpoint, encoding):
            self._networks = [checkpoint.load(place) for place in places]
        self._encoding = encoding

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Probability that each TF binds each sequence, the mean of its two strands.

        Parameters
        ----------
        model_input
            A table with the column `sequence`: A, C, G and T, upper or lower case, as long as the
            regions that the network was trained on (200 bp).
        params
            Not used; MLflow passes it.

        Returns
        -------
        DataFrame
            Column `probability`, or one for each of several TFs; rows as given.

        Raises
        ------
        ValueError
            If a sequence has another length or another letter; names its row.
        """
        import torch

        table = pd.DataFrame(model_input)
        if COLUMN not in table:
            raise ValueError(f"give a column {COLUMN!r}; there are: {', '.join(map(str, table))}")
        packed = torch.from_numpy(self._packed(table[COLUMN].tolist()))
        with torch.inference_mode():
            parts = [self._probabilities(part) for part in packed.split(BATCH)]
        columns = self._served["columns"]
        found = torch.cat(parts).double().numpy() if parts else np.empty((0, len(columns)))
        return pd.DataFrame(found, columns=columns, index=table.index)

    def _probabilities(self, packed: torch.Tensor) -> torch.Tensor:
        import torch

        strands = (packed, self._encoding.reverse_complement(packed))
        inputs = [self._encoding.encode_one_hot(strand) for strand in strands]
        found = []
        for network, own in zip(self._networks, self._served["networks"], strict=True):
            logits = torch.stack([network(one)[:, own["outputs"]] for one in inputs])
            if "slopes" not in own:
                found.append(logits.sigmoid().mean(dim=0))
                continue
            slopes, intercepts = torch.tensor(own["slopes"]), torch.tensor(own["intercepts"])
            found.append((logits.mean(dim=0) * slopes + intercepts).sigmoid())
        return torch.stack(found).mean(dim=0)

    def _packed(self, sequences: Sequence[Any]) -> NDArray[np.uint8]:
        """Pack to four bases a byte, the first in its lowest bits, shape (n, length / 4)."""
        for row, sequence in enumerate(sequences):
            if not isinstance(sequence, str) or len(sequence) != self.length_bp:
                what = f"{len(sequence)} bp" if isinstance(sequence, str) else repr(sequence)
                raise ValueError(
                    f"row {row}: the sequence is {what}; this network reads {self.length_bp} bp"
                )
        joined = "".join(sequences).encode("ascii", "replace")
        codes = _CODES[np.frombuffer(joined, dtype=np.uint8)].reshape(-1, self.length_bp)
        wrong = np.argwhere(codes == _UNKNOWN)
        if len(wrong):
            row, position = wrong[0].tolist()
            raise ValueError(
                f"row {row}: {sequences[row][position]!r} at position {position} is none of A, C, "
                f"G and T, as in {len(np.unique(wrong[:, 0]))} sequences; leave them out"
            )
        shifts = np.array([0, 2, 4, 6], dtype=np.uint8)
        quads = codes.reshape(len(codes), -1, 4) << shifts
        return np.bitwise_or.reduce(quads, axis=2)


def _load_pyfunc(path: str) -> SequenceModel:
    """What MLflow calls, with the model's ``data`` folder."""
    return SequenceModel(Path(path))


@contextmanager
def _shipped_code(folder: Path) -> Iterator[tuple[ModuleType, ModuleType]]:
    """Give the modules that came with the model, `model.checkpoint` and `model.encoding`.

    The code that wrote the weights reads them, whatever package named `model` the process has.
    """
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield (
            importlib.import_module("model.checkpoint"),
            importlib.import_module("model.encoding"),
        )
    finally:
        sys.path.remove(str(folder))
        for name in filter(_is_ours, list(sys.modules)):
            del sys.modules[name]
        sys.modules.update(others)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "model"
