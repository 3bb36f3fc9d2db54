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
