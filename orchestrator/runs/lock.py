"""One driver at a time in a workspace; the lock ends with the process, even if it is killed."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from data.holder import holder_of, sign
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace


@contextmanager
def sole_driver(workspace: Workspace) -> Iterator[None]:
    """Lock the workspace for a block, and remove what a killed driver left half-written.

    Raises
    ------
    RunError
        If another process has locked it, which is named, or the workspace cannot be written to.
    """
    with ExitStack() as stack:
        try:
            workspace.root.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(workspace.lock.open("ab", buffering=0))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sign(file)
        except BlockingIOError:
            holder = holder_of(workspace.lock)
            raise RunError(
                f"{workspace.root} is in use by {holder}; wait for it, or stop it"
            ) from None
        except OSError as error:
            raise RunError(
                f"cannot write to {workspace.root} ({error.strerror}): free space or check rights, "
                "or name another --workspace"
            ) from error
        for leftover in workspace.leftovers():
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
        yield
