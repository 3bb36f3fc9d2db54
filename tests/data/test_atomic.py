import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from data.atomic import whole_file, whole_folder


def test_a_file_is_replaced_when_the_block_ends_well_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with whole_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_with_all_that_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    with whole_folder(folder) as partial:
        (partial / "x").write_text("1")
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["x"]
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "b"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@pytest.mark.parametrize("first_stays", [True, False])
def test_another_process_was_first(tmp_path: Path, first_stays: bool) -> None:
    folder = tmp_path / "a"

    def write() -> None:
        with whole_folder(folder, first_stays=first_stays):
            folder.mkdir()
            (folder / "theirs").touch()

    if first_stays:
        write()
    else:
        with pytest.raises(OSError, match="not empty"):
            write()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "theirs"]


def test_a_folder_gives_way_only_when_the_block_ends_well(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(ZeroDivisionError), whole_folder(folder, replace=True) as partial:
        (partial / "half").touch()
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "old"]
    with whole_folder(folder, replace=True) as partial:
        (partial / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "new"]


def test_a_folder_comes_back_where_the_new_one_cannot_be_moved_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "a", Path.rename
    folder.mkdir()
    (folder / "old").touch()

    def refusing(path: Path, target: Path) -> Path:
        if (path / "new").exists():
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(OSError, match="denied"), whole_folder(folder, replace=True) as partial:
        (partial / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "old"]


@pytest.mark.parametrize("replace", [True, False])
def test_what_a_process_of_the_same_id_left_is_in_nobodys_way(
    tmp_path: Path, replace: bool
) -> None:
    left = tmp_path / f".a.{os.getpid()}"
    left.mkdir()
    (left / "half").touch()
    with whole_folder(tmp_path / "a", replace=replace) as partial:
        (partial / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "new"]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_an_error_of_a_disk_names_what_was_to_be_written(
    tmp_path: Path, whole: Callable[[Path], AbstractContextManager[Path]]
) -> None:
    named = tmp_path / "wanted"
    for error, filename in (
        (OSError(errno.ENOSPC, "full"), str(named)),
        (OSError(errno.ENOSPC, "full", "source", None, "partial"), str(named)),
        (OSError(errno.EACCES, "no right", "other"), "other"),
    ):
        with pytest.raises(OSError) as caught, whole(named):
            raise error
        assert caught.value.filename == filename
        assert caught.value.filename2 is None
