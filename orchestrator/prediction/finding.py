"""Which model the name of a TF stands for: one of the workspace, or otherwise the base's.

1. `base:SPI1`, or the arm `base`, is the base's.
2. The name of an imported model, a run's key, or a TF with finished runs of the arm (transfer, if
   none is named) is the workspace's own: what a lab trained on its own data comes before what came
   with bindgrid.
3. Any other TF is the base's, if the base has it and no other arm was asked for.

A TF may be named by an alias (`PU.1` for SPI1).
"""

from typing import TYPE_CHECKING, Final, Literal

from data.near_names import near_names, spellings
from orchestrator.errors import RunError, UnknownModelError
from orchestrator.prediction.base import find_base, require_base
from orchestrator.role import Arm
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from orchestrator.prediction.predictors import Predictor

BASE_PREFIX: Final = "base:"
"""Prefix of a name that asks for the base."""
AnyArm = Arm | Literal["base"]


def name_in_base(named: str) -> str | None:
    """Give what follows `base:` in a name; None where the name has no such prefix."""
    is_of_base = named.lower().startswith(BASE_PREFIX)
    return named[len(BASE_PREFIX) :] if is_of_base else None


def find_model(workspace: Workspace, named: str, arm: AnyArm = "transfer") -> "Predictor":
    """Find what predicts a TF, in the workspace or in the base.

    Parameters
    ----------
    workspace
        Has the runs and the imported models; it need not exist.
    named
        A TF or an alias of it, an imported model, or a run's key; with the prefix `base:` a TF of
        the base.
    arm
        The arm of a TF's runs; `base` takes the base. By default transfer, and the base where the
        workspace has no model of that name.

    Raises
    ------
    RunError
        If there is none; suggests similar names.
    """
    of_base = name_in_base(named)
    if of_base is not None or arm == "base":
        return require_base().predictor(of_base or named)
    # brings torch, which models are listed without
    from orchestrator.prediction.predictors import find_predictor

    for name in spellings(named):
        try:
            return find_predictor(workspace, name, arm)
        except UnknownModelError as error:
            unknown = error
    base = find_base()
    if base is None:
        raise unknown
    if arm != "transfer":
        hint = "; the base has this TF: leave out --arm" if base.known_as(named) else ""
        raise UnknownModelError(f"{unknown}{hint}")
    if base.known_as(named) is not None:
        return base.predictor(named)
    near = near_names(named, base.tfs)
    hint = f", near: {', '.join(near)}" if near else ""
    told = f"{unknown}; {base.card.name} has no such TF either"
    if not workspace.root.is_dir():  # nobody has to know of a workspace to use the base
        told = f"{base.card.name} has no TF {named!r}"
    raise RunError(f"{told}{hint}; `bindgrid models` lists all")
