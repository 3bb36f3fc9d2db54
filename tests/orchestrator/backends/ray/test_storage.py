"""What a node says of a workspace that it does not share. On real nodes: test_nothing_is_lost."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orchestrator.backends.ray import storage as shared_storage
from orchestrator.backends.ray.storage import Probe, check_shared, look
from orchestrator.checkout import code_fingerprint
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace


@pytest.fixture
def probe(workspace: Workspace) -> Probe:
    folder = workspace.making("probe")
    folder.mkdir()
    (folder / "token").write_text("secret")
    manifest = shared_storage._manifest(workspace)
    return Probe(workspace=workspace, folder=folder, token="secret", manifest=manifest)


def test_a_node_that_shares_the_workspace_has_nothing_to_say(probe: Probe) -> None:
    assert look(probe) == ""


def test_a_node_without_the_workspace_says_so(probe: Probe, tmp_path: Path) -> None:
    away = Workspace(tmp_path / "away")
    lacking = replace(probe, workspace=away, folder=away.making("probe"))
    assert look(lacking, 0.0) == f"does not see {away.root}"


def test_a_copy_of_the_workspace_is_not_the_workspace(probe: Probe) -> None:
    root = probe.workspace.root
    assert look(replace(probe, folder=root / "none"), 0.0) == f"has another {root}"
    assert look(replace(probe, token="other"), 0.0) == f"has another {root}"


def test_a_node_that_cannot_write_says_so(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    # rights do not stop an administrator, so a folder stands in the way
    monkeypatch.setattr("secrets.token_hex", lambda _: "taken")
    (probe.folder / "taken").mkdir()
    told = f"cannot write to {probe.workspace.root} (Is a directory)"
    assert look(probe) == told


def test_a_node_with_another_dataset_says_so(probe: Probe) -> None:
    (probe.workspace.dataset / "manifest.json").write_text("{}")
    assert look(probe) == f"has another dataset in {probe.workspace.dataset}"


def test_a_node_with_another_version_of_the_code_says_so(probe: Probe) -> None:
    own = code_fingerprint()
    assert look(replace(probe, code=own)) == ""
    told = look(replace(probe, code=own[::-1]))
    root = Path(shared_storage.__file__).parents[3]
    assert told == f"has another version of bindgrid or torch in {root}"


def test_the_fingerprint_is_of_the_code_and_of_torch_but_not_of_its_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fingerprint() -> str:
        code_fingerprint.cache_clear()
        return code_fingerprint()

    own = fingerprint()
    monkeypatch.setattr("torch.__version__", torch.__version__.partition("+")[0] + "+cu999")
    assert fingerprint() == own
    monkeypatch.setattr("torch.__version__", "1.0")
    assert fingerprint() != own
    monkeypatch.undo()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#")
    assert fingerprint() != own
    monkeypatch.undo()
    assert fingerprint() == own


def test_the_error_names_the_node_the_path_and_the_remedy(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Probe] = []

    def answers(probe: Probe) -> list[str]:
        asked.append(probe)
        return [f"node 10.0.0.{number} {look(replace(probe, token=''))}" for number in (2, 3)]

    monkeypatch.setattr(shared_storage, "_ask_all", answers)
    message = (
        f"node 10.0.0.2 has another {workspace.root} (and 1 more nodes): put the workspace on "
        "storage that all nodes share"
    )
    with pytest.raises(RunError) as caught:
        check_shared(workspace)
    assert str(caught.value).startswith(message)
    assert not asked[0].folder.exists()


def test_storage_that_cannot_rename_a_folder_is_refused_before_any_node_is_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(38, "Function not implemented")  # as Mountpoint for S3 does

    monkeypatch.setattr(Path, "rename", refuse)
    message = f"{workspace.root} is on storage that cannot rename a folder (Function not impl"
    with pytest.raises(RunError) as caught:
        check_shared(workspace)
    assert str(caught.value).startswith(message)
    assert not list(workspace.root.glob(".*probe*"))
