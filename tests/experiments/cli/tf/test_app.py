"""`bindgrid tf groups`: what it shows, and what it refuses in one line."""

import pytest


@pytest.fixture
def groups(bindgrid, workspace):
    """Run `bindgrid tf groups`; gives (exit code, standard output, standard error)."""
    return lambda *arguments: bindgrid("tf", "groups", *arguments, "-w", workspace.root)


def rows(out: str) -> dict[str, list[str]]:
    """Cells of the table's rows by their first one."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    return {row[0]: row[1:] for row in cells if row}


def test_groups_with_their_scores(groups):
    code, out, err = groups("--tf", "SPI1", "--min-bound", 10)
    assert code == 0, err
    # ELF1 and GABPA have SPI1's mode, and its very labels, in 200 of the 400 regions
    assert rows(out) == {
        "same-mode": ["ELF1 1.000, GABPA 1.000", "200", "only 2 of 5"],
        "cofactors": ["", "", "no candidates"],
        "uncorrelated": ["ELF1 1.000, GABPA 1.000", "200", "only 2 of 5; 2 in same-mode too"],
        "random": ["", "", "no candidates"],
    }
    assert "SPI1: " in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert "highest cosine similarity" in out
    assert "string: left out, no STRING file" in err


def test_string_partners_and_the_users_modes(groups, tmp_path):
    modes, string = tmp_path / "modes.tsv", tmp_path / "string.tsv"
    modes.write_text("tf\tmode\nSPI1\ta\nELF1\tb\n")
    string.write_text("#node1\tnode2\tcombined_score\nSPI1\tELF1\t0.75\nSPI1\tGABPA\t0.9\n")
    options = ["--modes", modes, "--string", string, "--min-bound", 10, "--size", 2]
    code, out, err = groups("--tf", "SPI1", *options, "--with-target")
    assert code == 0, err
    assert rows(out)["string"] == ["ELF1 0.750, SPI1", "200", ""]
    assert rows(out)["random"][0] == "ELF1, SPI1"
    assert rows(out)["same-mode"] == ["SPI1", "400", "no candidates"]
    assert "left out" not in err
    assert "1 TF without a binding mode, in no group: GABPA" in err
    assert str(modes) in " ".join(out.split())


def test_all_tfs_if_none_is_named(groups):
    code, out, _ = groups("--min-bound", 10)
    assert code == 0
    assert all(f"{tf}: " in out for tf in ("ELF1", "GABPA", "SPI1"))
    assert "regions for all" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tf", "SPI"], ["no TF named 'SPI'", "near: SPI1"]),
        (["--size", "0"], ["size is 0"]),
        (["--seed", "-1"], ["must not be negative"]),
        (["--string", "{folder}/none.tsv"], ["none.tsv", "check the path"]),
        (["--string", "{folder}/other.tsv"], ["other.tsv", "dataset's 3 TFs"]),
        (["--modes", "{folder}/bad.tsv"], ["bad.tsv", "row 2", "no mode"]),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(groups, tmp_path, arguments, words):
    (tmp_path / "other.tsv").write_text("#node1\tnode2\tcombined_score\nMYOD1\tPAX3\t0.9\n")
    (tmp_path / "bad.tsv").write_text("tf\tmode\nSPI1\t\n")
    code, out, err = groups(*(word.format(folder=tmp_path) for word in arguments))
    assert (code, out) == (2, "")
    complaint = err.splitlines()[-1]
    assert complaint.startswith("bindgrid: ")
    assert all(word in complaint for word in words), complaint


def test_help_has_an_example(groups):
    code, out, _ = groups("--help")
    assert code == 0
    assert "Example: bindgrid tf groups" in out
