"""Options of where runs train: the backend, its workers, CPUs or GPUs."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import err
from experiments.cli.options.choices import Backend, Device, Precision
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from orchestrator.backends.interface import RunPlan

BackendOption = Annotated[
    Backend,
    typer.Option(
        "--backend",
        help="What runs the plan: Ray, with several runs at once, or this process, one run after "
        "the other.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", help="Runs that train at once on Ray. By default one for each CPU."),
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
class BackendOptions:
    """Where runs train, as typed."""

    backend: BackendOption = Backend.RAY
    workers: WorkersOption = None
    pretrain_workers: Annotated[
        int, typer.Option(help="Processes on Ray that train a multi-model together.")
    ] = 1
    device: Annotated[
        Device,
        typer.Option(help="What trains: CPUs, or NVIDIA GPUs, each of which several runs share."),
    ] = Device.CPU
    runs_per_gpu: Annotated[
        int | None,
        typer.Option(help="Runs that train at once on a GPU, on Ray. By default 4."),
    ] = None
    address: AddressOption = ""

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

        if self.runs_per_gpu is not None and self.backend is Backend.LOCAL:
            raise RunError("--runs-per-gpu needs Ray; leave out --backend local")
        chosen = RUNS_PER_GPU if self.runs_per_gpu is None else self.runs_per_gpu
        check_sharing(chosen, self.pretrain_workers)
        return chosen

    def check(self, precision: Precision) -> None:
        """Raise `RunError` if the options do not go together, or not with the precision."""
        if self.device is Device.GPU and precision is Precision.AUTO:
            raise RunError(
                "--precision auto measures the CPU: with --device gpu give --precision bfloat16, "
                "or float32"
            )
        self.share_of_gpu()

    def run_plan(self) -> "RunPlan":
        """Give the backend's `run_plan`, its own options filled in.

        Raises
        ------
        RunError
            The options do not go together.
        """
        share = self.share_of_gpu()
        if self.backend is Backend.LOCAL:
            if self.pretrain_workers != 1:
                raise RunError("--pretrain-workers needs Ray; leave out --backend local")
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
