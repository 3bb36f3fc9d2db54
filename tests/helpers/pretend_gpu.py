"""A device that is not the CPU, for machines without one: its tensors mix with none of the CPU.

They are computed on the CPU, so what is trained there is what the CPU trains, to the bit; but as
on a GPU, an operation on tensors of both places raises unless it copies, or one is a single number
that torch itself takes from the CPU. A number read from a tensor is counted, since a GPU has to be
waited for then. Torch is told of the device by a registration that cannot be undone: to be used in
a process of its own.
"""

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

_COPIES = ("aten::_to_copy", "aten::copy_")
_READS = ("aten::_local_scalar_dense", "aten::item")


class _Module(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("pretend", backend_module=_Module())
DEVICE = torch.device("pretend", 0)


class Pretended(torch.Tensor):
    """A tensor of the device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Pretended":
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return compute(func, args, kwargs or {})


reads: Counter[str] = Counter()
"""Numbers read from tensors of the device, by operation."""


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Compute an operation where its tensors are."""
    flat, _ = tree_flatten((args, kwargs))
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    ours = [tensor for tensor in tensors if isinstance(tensor, Pretended)]
    name = func._schema.name
    asked = kwargs.get("device")
    here = bool(ours) if asked is None else torch.device(asked).type == DEVICE.type
    if not ours and not here:
        return func(*args, **kwargs)
    strangers = [tensor for tensor in tensors if not isinstance(tensor, Pretended) and tensor.ndim]
    if ours and strangers and name not in _COPIES:
        raise RuntimeError(f"{name} is given tensors of the device and of the CPU")
    if ours and name == "aten::native_batch_norm_backward" and None in args[5:7]:
        raise RuntimeError("save_mean and save_invstd should always be defined")  # CUDA's own words
    if name in _READS:
        reads[name] += 1
    there = {**kwargs, "device": torch.device("cpu")} if asked is not None else kwargs
    plain_args, plain_kwargs = tree_map(
        lambda value: value.held if isinstance(value, Pretended) else value, (args, there)
    )
    found = func(*plain_args, **plain_kwargs)
    if name == "aten::_to_copy" and found is plain_args[0]:
        found = found.clone()
    if name == "aten::copy_" and not isinstance(args[0], Pretended):
        return args[0]
    if not here or name.startswith("c10d::"):  # what processes send is sent in place
        return found
    # a view of a tensor from outside inference mode is none of inference mode
    lent = func.is_view and not args[0].is_inference()
    with torch.inference_mode(torch.is_inference_mode_enabled() and not lent):
        wrapped = tree_map(
            lambda value: Pretended(value) if isinstance(value, torch.Tensor) else value, found
        )
    return args[0] if name.endswith("_") and ours and wrapped is not None else wrapped


class PretendGpu(TorchDispatchMode):
    """The device is there, for the duration of a block."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute an operation, of the device or not."""
        return compute(func, args, kwargs or {})
