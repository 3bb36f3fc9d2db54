"""Options of where runs train: the backend, its workers, CPUs or GPUs."""

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from experiments.cli.console import err
from experiments.cli.options.choices import Backend, Device
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from orchestrator.backends.interface import RunPlan

BackendOption = Annotated[
    Backend,
    typer.Option(
        "--backend",
        help="What runs the plan: Ray, with several runs at once; a few processes of this machine "
        "without Ray, which start sooner; or this process, one run after the other.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Runs that train at once. By default one for each CPU."),
]
AddressOption = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        help="Address of the Ray cluster to use. By default a Ray is started on this machine.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """What trains, as typed."""

    device: Annotated[
        Device,
        typer.Option(
            help="What trains: CPUs, or NVIDIA GPUs, each of which several runs share; `auto` "
            "takes GPUs where there are any."
        ),
    ] = Device.CPU
    runs_per_gpu: Annotated[
        int | None,
        typer.Option(help="Runs that train at once on a GPU, on Ray. By default 4."),
    ] = None

    def resolved(self, address: str = "") -> "DeviceOptions":
        """Give the options with `auto` replaced by what is there, on this machine or a cluster.

        Raises
        ------
        RunError
            The cluster cannot be reached.
        """
        if self.device is not Device.AUTO:
            return self
        device = auto_device(address)
        sharing = self.runs_per_gpu if device is Device.GPU else None
        return replace(self, device=device, runs_per_gpu=sharing)

    @property
    def torch_device(self) -> str:
        """What torch calls it."""
        return torch_name(self.device)

    def share_of_gpu(self) -> int | None:
        """Give how many runs share a GPU; None where they train on CPUs.

        Raises
        ------
        RunError
            The options do not go together.
        """
        if self.device is Device.CPU:
            if self.runs_per_gpu is not None:
                raise RunError("--runs-per-gpu goes with --device gpu")
            return None
        from orchestrator.gpus import RUNS_PER_GPU, check_sharing

        chosen = RUNS_PER_GPU if self.runs_per_gpu is None else self.runs_per_gpu
        check_sharing(chosen)
        return chosen

    def check(self) -> None:
        """Raise `RunError` if the options do not go together, or this machine lacks the GPU."""
        if self.share_of_gpu() is not None:
            from orchestrator.gpus import require_gpu

            require_gpu()


AUTO_DEVICE: Final = DeviceOptions(device=Device.AUTO)
"""What trains the model of a single TF, by default: GPUs if there are any."""


def auto_device(address: str = "") -> Device:
    """Give what `auto` stands for, and print it where it is a GPU.

    Raises
    ------
    RunError
        The cluster cannot be reached.
    """
    if address:
        from orchestrator.backends.ray.session import nodes, session

        with session(None, address):
            found = "of the cluster" if any(node.get("GPU") for node in nodes()) else ""
    else:
        from orchestrator.gpus import gpu_name

        found = gpu_name()
    if not found:
        return Device.CPU
    err.print(f"--device auto: GPU {found}")
    return Device.GPU


def torch_name(device: Device) -> str:
    """Give what torch calls a device that is not `auto`."""
    return "cuda" if device is Device.GPU else "cpu"


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """Where runs train, as typed."""

    backend: BackendOption = Backend.RAY
    workers: WorkersOption = None
    pretrain_workers: Annotated[
        int, typer.Option(min=1, help="Processes on Ray that train a multi-model together.")
    ] = 1
    devices: DeviceOptions = DeviceOptions()
    address: AddressOption = ""

    def resolved(self) -> "BackendOptions":
        """Give the options with `--device auto` replaced by what is there.

        Raises
        ------
        RunError
            The cluster cannot be reached.
        """
        return replace(self, devices=self.devices.resolved(self.address))

    def share_of_gpu(self) -> int | None:
        """Give how many runs share a GPU; None where they train on CPUs.

        Raises
        ------
        RunError
            The options do not go together.
        """
        share = self.devices.share_of_gpu()
        if self.devices.runs_per_gpu is not None and self.backend is not Backend.RAY:
            raise RunError(f"--runs-per-gpu needs Ray; leave out --backend {self.backend}")
        return share

    def check(self) -> None:
        """Raise `RunError` if the options do not go together."""
        share = self.share_of_gpu()
        if self.backend is not Backend.RAY and self.pretrain_workers != 1:
            raise RunError(f"--pretrain-workers needs Ray; leave out --backend {self.backend}")
        if self.backend is Backend.PROCESSES and share is not None:
            raise RunError("--device gpu needs Ray, or --backend local")

    def num_at_once(self) -> int:
        """Give how many runs train at once on this machine."""
        if self.backend is Backend.LOCAL:
            return 1
        if self.backend is Backend.PROCESSES:
            from orchestrator.backends.processes import usual_num_workers

            return self.workers or usual_num_workers()
        return self.workers or os.cpu_count() or 1

    def run_plan(self) -> "RunPlan":
        """Give the backend's `run_plan`, its own options filled in.

        Raises
        ------
        RunError
            The options do not go together.
        """
        self.check()
        share = self.share_of_gpu()
        if self.backend is Backend.PROCESSES:
            from orchestrator.backends import processes

            by_process = processes.ProcessOptions(num_workers=self.workers)
            return partial(processes.run_plan, options=by_process)
        if self.backend is Backend.LOCAL:
            from orchestrator.backends import local

            device = "cpu" if share is None else "cuda"
            return partial(local.run_plan, options=local.LocalOptions(device=device))
        from orchestrator.backends.ray import run_plan as ray_backend

        options = ray_backend.RayOptions(
            num_workers=self.workers,
            pretrain_workers=self.pretrain_workers,
            address=self.address or None,
            on_ready=_tell_ready,
            runs_per_gpu=share,
        )
        return partial(ray_backend.run_plan, options=options)


def _tell_ready(num_workers: int, seconds: float) -> None:
    err.print(f"{num_workers} Ray workers up after {seconds:.0f} s")
