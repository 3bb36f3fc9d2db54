"""bindgrid from Python: load a model and predict sequences.

::

    import bindgrid
    model = bindgrid.load_model("SPI1")
    probabilities = model.predict(["ACGT" * 50])

The name is what `bindgrid predict` takes, see `load_model`. Everything else is in the packages
`data`, `model`, `orchestrator` and `experiments`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from orchestrator.prediction.finding import AnyArm
    from orchestrator.prediction.targets import Target

__all__ = ["Model", "load_model"]


def load_model(
    name: str,
    *,
    arm: "AnyArm" = "transfer",
    workspace: str | Path | None = None,
    device: str = "cpu",
) -> "Model":
    """Load the model of a TF, or of all TFs of the base at once.

    Parameters
    ----------
    name
        A TF or an alias of it, an imported model or a run's key, as `bindgrid predict` takes it;
        `all`, or TFs separated by commas, for several TFs of the base.
    arm
        Which of a TF's networks: transfer, scratch, multi or base. By default that of transfer, or
        the base's where the workspace has no model of the TF.
    workspace
        Folder with your own runs and imported models. By default the environment variable
        `BINDGRID_WORKSPACE`, or the folder `workspace`; it need not exist for the base.
    device
        Where it predicts: "cpu", the default, or "cuda", an NVIDIA GPU.

    Raises
    ------
    ModelError, RunError
        If there is no such model, or it cannot be loaded; the message suggests similar names. If
        there is no GPU that was asked for.
    """
    import os

    from orchestrator.prediction.targets import find_target, is_matrix
    from orchestrator.workspace import Workspace

    place = workspace or os.environ.get("BINDGRID_WORKSPACE") or "workspace"
    target = find_target(Workspace(Path(place)), name, arm, device=device)
    return Model(target, is_matrix(name))


class Model:
    """What predicts one TF or several; `load_model` makes it.

    Parameters
    ----------
    target
        What is predicted, loaded.
    several
        Whether a matrix was asked for.
    """

    def __init__(self, target: "Target", several: bool) -> None:
        self._target = target
        self._several = several

    def __repr__(self) -> str:
        return f"<bindgrid model of {self._target.name} ({self._target.source})>"

    @property
    def tfs(self) -> tuple[str, ...]:
        """The TFs, one or more."""
        return self._target.tfs

    @property
    def length_bp(self) -> int:
        """Length of the sequences that the networks read."""
        return self._target.length_bp

    def predict(self, sequences: str | Iterable[str]) -> NDArray[np.float32]:
        """Predict the probability of binding: calibrated, mean over both strands and replicates.

        Parameters
        ----------
        sequences
            Sequences of A, C, G and T, upper or lower case, or a single one. Of one that is longer
            than `length_bp` the middle is read.

        Returns
        -------
        ndarray of float32
            Shape (n,), or (n, T) for several TFs; NaN where a sequence has another letter.

        Raises
        ------
        DataError
            If a sequence is shorter than `length_bp`, or is no text, such as a missing value.
        """
        from data.errors import DataError
        from data.packing import UNKNOWN, encode, pack

        length = self.length_bp
        rows = []
        for row, text in enumerate([sequences] if isinstance(sequences, str) else sequences):
            if not isinstance(text, str):
                raise DataError(f"sequence {row}: {text!r} is not a text of bases; leave it out")
            if len(text) < length:
                raise DataError(
                    f"sequence {row}: {len(text)} bp; the network reads {length} bp, so give more"
                )
            skipped = (len(text) - length) // 2
            middle = text[skipped : skipped + length]
            rows.append(encode(np.frombuffer(middle.encode("ascii", "replace"), dtype=np.uint8)))
        codes = np.stack(rows) if rows else np.empty((0, length), dtype=np.uint8)
        known = (codes != UNKNOWN).all(axis=1)
        found = np.full((len(codes), len(self.tfs)), np.nan, dtype=np.float32)
        found[known] = self._target.probabilities(pack(codes[known]))
        return found if self._several else found[:, 0]
