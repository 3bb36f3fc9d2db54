"""`bindgrid tf add --label-only`, `list` and `remove`: what they show, and what they refuse."""

from itertools import chain

import pytest

from data.dataset.added import PeakChoice
from data.dataset.lock import sole_writer
from data.dataset.store import Dataset
from data.own_tf.record import added_motif
from orchestrator.workspace import Workspace
from tests.helpers.tiny import TinySources, build_arguments


@pytest.fixture
def place(bindgrid, tmp_path):
    """A workspace with the tiny dataset of SPI1 and MAX."""
    sources = TinySources().write(tmp_path / "sources")
    assert bindgrid("data", "build", *build_arguments(sources), "-w", tmp_path / "w")[0] == 0
    (tmp_path / "k562.bed").write_text("chr1\t150\t250\nchr2\t550\t650\nchrUn\t5\t10\n")
    (tmp_path / "hepg2.bed").write_text("chr2\t550\t650\n")
    return Workspace(tmp_path / "w")


@pytest.fixture
def add(bindgrid, place, tmp_path):
    """Run `bindgrid tf add`; `{folder}` in an argument is where the files are."""

    def call(*arguments: str) -> tuple[int, str, str]:
        words = (word.format(folder=tmp_path) for word in arguments)
        return bindgrid("tf", "add", *words, "-w", place.root)

    return call


K562 = ("--peaks", "{folder}/k562.bed", "--biosample", "K562")
HEPG2 = ("--peaks", "{folder}/hepg2.bed", "--biosample", "HepG2")
ALONE = ("--no-sites", "--force", "--label-only")


def test_rows_that_do_not_fit_are_listed_in_a_file_when_asked_for(add, tmp_path):
    code, _, err = add("MINE", *K562, *ALONE, "--left-out", "{folder}/odd.tsv")
    assert code == 0, err
    header, row = (tmp_path / "odd.tsv").read_text().splitlines()
    assert header == "file\trow\treason"
    assert row.startswith(f"{tmp_path}/k562.bed\t")
    assert row.endswith("\ton chromosomes that the genome lacks")


def test_given_sites_label_and_a_given_motif_is_recorded_for_the_model(
    add, bindgrid, place, tmp_path
):
    (tmp_path / "sites.bed").write_text("chr1\t195\t205\n")
    sites = ("--sites", "{folder}/sites.bed", "--force", "--label-only")
    code, out, err = add("ALONE", *K562, *sites)
    assert code == 0, err
    code, out, err = add("BOTH", *K562, *sites, "--motif", "MA0080.5")
    assert code == 0, err
    assert "sites predicted" not in out
    dataset = Dataset.open(place.dataset)
    codes = dataset.evidence(["ALONE", "BOTH"])
    assert codes[:, 0].tolist() == codes[:, 1].tolist()
    assert added_motif(dataset, "ALONE") is None
    motif = added_motif(dataset, "BOTH")
    assert motif is not None
    assert motif.matrix_id == "MA0080.5"
    assert "given, motif MA0080.5" in bindgrid("tf", "list", "-w", place.root)[1]


def test_peaks_alone_may_have_a_motif_as_a_term_of_the_model(add, bindgrid, place):
    code, out, err = add("MINE", *K562, *ALONE, "--motif", "MA0080.5")
    assert code == 0, err
    assert "labels: peaks alone" in out
    motif = added_motif(Dataset.open(place.dataset), "MINE")
    assert motif is not None
    assert motif.matrix_id == "MA0080.5"
    assert "none, motif MA0080.5" in bindgrid("tf", "list", "-w", place.root)[1]


def test_a_gpu_that_is_not_there_is_told_before_anything_is_labelled(
    add, bindgrid, place, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    wrong = ("--device", "gpu", "--runs-per-gpu", "2", "--backend", "local")
    for words, more in [("finds no GPU on this machine", wrong[:2]), ("needs Ray", wrong)]:
        code, out, err = add("MINE", *K562, "--no-sites", "--force", *more)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err
    assert "MINE" not in Dataset.open(place.dataset).tfs
    code, _, err = bindgrid("tf", "train", "SPI1", "--device", "gpu", "-w", place.root)
    assert (code, "finds no GPU on this machine" in err) == (2, True)
    code, _, err = bindgrid(
        *("tune", "--tf", "SPI1", "--pretrain-tfs", "2", "--device", "gpu", "-w", place.root)
    )
    assert (code, "finds no GPU on this machine" in err) == (2, True)


def test_add_list_remove(add, bindgrid, place):
    code, out, err = add("MINE", *K562, *HEPG2, *ALONE)
    assert code == 0, err
    assert "MINE: 2 bound regions, 2 unbound" in out
    assert "k562.bed: left out 1: on chromosomes that the genome lacks" in err
    assert Dataset.open(place.dataset).evidence(["MINE"])[:, 0].tolist() == [4, 1, 1, 4]
    _, out, _ = bindgrid("tf", "list", "-w", place.root)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    by_name = {row[0]: row[1:] for row in rows if row}
    assert by_name["SPI1"][0] == "dataset"
    assert by_name["MINE"][1:] == ["K562, HepG2", "none", "2", "2", "0"]
    assert by_name["MINE"][0].startswith("added 20")
    code, out, _ = bindgrid("tf", "remove", "MINE", "-w", place.root)
    assert code == 0
    assert "Its finished runs and its card stay" in out
    assert "What reads its labels does not" in out
    assert Dataset.open(place.dataset).tfs == ("MAX", "SPI1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SPI1", *K562, *ALONE], ["SPI1 is a TF of the dataset's own"]),
        (["MINE", *K562, "--no-sites"], ["MINE has 1 bound region, 20 are needed", "--force"]),
        (["MINE", *K562, "--peaks", "x.bed", *ALONE], ["2 --peaks and 1 --biosample"]),
        (["MINE", *K562, "--label-only"], ["no motif of 'MINE'", "--motif", "--no-sites"]),
        (
            ["MINE", *K562, "--predict-sites", "--sites", "{folder}/k562.bed"],
            ["--predict-sites and --sites exclude each other"],
        ),
        (["MINE", *K562, *ALONE, "--sites", "{folder}/k562.bed"], ["exclude each other"]),
        (["MINE", *K562, "--motif", "MA9999.1"], ["no matrix 'MA9999.1'"]),
        (["SPI1-LAB", *K562, "--motif", "MA0080.5", "--site-p", "0"], ["p_value is 0"]),
        (["MINE", *K562, "--accessible", "a.bed"], ["1 --accessible for 0 biosamples"]),
        (["MINE", *K562, "--sites", "{folder}/none.bed"], ["none.bed", "cannot be opened"]),
        (["MINE", *K562[:3], "K526", *ALONE], ["no biosample named 'K526'", "near: K562"]),
        (["a b", *K562, *ALONE], ["'a b' cannot be a TF's name"]),
        (["A" * 300, *K562, *ALONE], ["is too long for a TF's name"]),
        (["MINE", "--peaks", "no.bed", "--biosample", "K562", *ALONE], ["no.bed", "check the"]),
        (["MINE", *K562, "--motif", "MA0080.5", "--genome", "g.fa"], ["g.fa"]),
    ],
)
def test_what_cannot_be_added_is_one_line_and_changes_nothing(add, place, arguments, words):
    before = {path: path.read_bytes() for path in place.root.rglob("*") if path.is_file()}
    code, _, err = add(*arguments)
    complaint = err.splitlines()[-1]
    assert (code, complaint.startswith("bindgrid: ")) == (2, True)
    assert all(word in complaint for word in words), complaint
    assert {path: path.read_bytes() for path in place.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--folds", "1"], "--folds: give"),
        (["--folds", "3", "--test-chroms", "chr1"], "leave out --test-chroms"),
        (["--sample", "9"], "num_bound is 9"),
        (["--sample", "x"], "--sample: 'x' is neither"),
        (["--replicates", "0"], "replicates is 0"),
        (["--replicates", "union,0"], "replicates is 0"),
        (["--lr", "0"], "lr is 0"),
        (["--epochs", "0"], "--epochs is 0"),
        (["--pretrain-batch-size", "0"], "batch_size is 0"),
        (["--test-chroms", "chrQ"], "no regions on chromosome 'chrQ'; there are: chr1, chr2"),
        (["--test-chroms", "chr1", "--val-chroms", "chr1"], "cannot be for validation and for"),
        (["--split", "random", "--val-chroms", "chr1"], "go with --split chromosome"),
        (["--many-motifs", "--named-motif"], "leave out --named-motif"),
        (["--pretrain-run", "abc"], "abc"),
        (["--pretrain-run", "abc", "--pretrain-set", "base"], "exclude each other"),
        (["--pretrain-set", "SPI1,MAZ"], "no TF named 'MAZ'; near: MAX"),
        (["--string", "{folder}/none.tsv"], "none.tsv: cannot be opened"),
    ],
)
def test_options_of_the_training_are_checked_before_anything_is_written(add, place, options, words):
    # what is only labelled is trained later, by the same options
    label_only = ["--label-only"] if "--sample" not in options else []
    code, out, err = add("MINE", *K562, "--no-sites", "--force", *label_only, *options)
    complaint = err.splitlines()[-1]
    assert (code, out, complaint.startswith("bindgrid: ")) == (2, "", True), err
    assert words in complaint
    assert Dataset.open(place.dataset).tfs == ("MAX", "SPI1")


def _narrow(path, *rows):
    """Write narrowPeak rows of chromosome, start, end and signal, their summits in the middle."""
    lines = (
        f"{chrom}\t{start}\t{end}\tp\t0\t.\t{signal}\t-1\t-1\t{(end - start) // 2}\n"
        for chrom, start, end, signal in rows
    )
    path.write_text("".join(lines))


@pytest.fixture
def replicates(tmp_path):
    """Three replicates: all have a peak at 200 of chr1, two of them one at 600 of chr2."""
    _narrow(tmp_path / "r1.narrowPeak", ("chr1", 150, 250, 9), ("chr2", 550, 650, 1))
    _narrow(tmp_path / "r2.narrowPeak", ("chr1", 155, 255, 7), ("chr2", 540, 640, 8))
    _narrow(tmp_path / "r3.narrowPeak", ("chr1", 145, 245, 3))
    files = (("--peaks", f"{tmp_path}/r{i}.narrowPeak") for i in (1, 2, 3))
    return (*chain(*files), "--biosample", "K562")


# of the tiny dataset's regions, chr2 500-700 is accessible in HepG2 alone
def test_replicates_count_where_enough_of_them_agree(add, place, replicates):
    for rule, peaks in (("2-of-3", [1, 1, 0]), ("union", [1, 1, 0]), ("3-of-3", [1, 0, 0])):
        code, out, err = add(f"R{rule}", *replicates, *ALONE, "--replicates", f"{rule},5")
        assert code == 0, err
        cells = [line.split("│") for line in out.splitlines() if "narrowPeak" in line]
        assert [int(row[4]) for row in cells] == peaks
    added = Dataset.open(place.dataset).summary("R2-of-3").added
    assert added is not None
    assert added.choice == PeakChoice(replicates="2-of-3")
    assert "r3.narrowPeak: left out 1: agreeing with a peak of a better rank" in err


def test_files_of_a_biosample_count_each_by_itself_without_a_word_on_replicates(
    add, place, replicates
):
    code, out, err = add("MINE", *replicates, *("--biosample", "K562") * 2, *ALONE)
    assert code == 0, err
    cells = [line.split("│") for line in out.splitlines() if "narrowPeak" in line]
    assert [int(row[4]) for row in cells] == [2, 2, 1]
    added = Dataset.open(place.dataset).summary("MINE").added
    assert added is not None
    assert added.choice == PeakChoice()


def test_the_best_peaks_and_a_least_score_are_chosen_and_recorded(add, place, replicates):
    one = (*replicates[:2], *replicates[-2:])
    least = ("--min-score", "signalValue", "2", "--top", "1")
    code, out, err = add("MINE", *one, *ALONE, *least, "--left-out", "{folder}/odd.tsv")
    assert code == 0, err
    assert "MINE: 1 bound region" in out
    words = "signalValue of at least 2, the best 1 of each file by signalValue"
    assert f"peaks that count: {words}\n" in out
    assert "r1.narrowPeak: left out 1: signalValue below 2" in err
    added = Dataset.open(place.dataset).summary("MINE").added
    assert added is not None
    assert added.choice == PeakChoice(top=1, score="signalValue", min_score=2.0)
    assert added.peaks_that_count == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--replicates", "2-of-4"], ["K562 has 3 files of peaks", "2-of-4 is for 4", "--peaks"]),
        (["--replicates", "4-of-3"], ["replicates is '4-of-3'", "union"]),
        (["--replicates", "most"], ["replicates is 'most'"]),
        (["--replicates", "2-of-3", "--peaks", "{folder}/r1.narrowPeak"], ["4 files of peaks"]),
        (["--top", "0", "--replicates", "union"], ["top is 0"]),
        (["--min-score", "signal", "2", "--replicates", "union"], ["near: signalValue"]),
        (["--min-score", "7", "nan", "--replicates", "union"], ["min_score is nan"]),
        (["--min-score", "7", "99", "--replicates", "union"], ["the highest is 9"]),
    ],
)
def test_peaks_that_cannot_be_chosen_are_told_in_one_line(add, place, replicates, arguments, words):
    code, _, err = add("MINE", *replicates, *ALONE, *arguments)
    complaint = err.splitlines()[-1]
    assert (code, complaint.startswith("bindgrid: ")) == (2, True)
    assert all(word in complaint for word in words), complaint
    assert "MINE" not in Dataset.open(place.dataset).tfs


def test_too_few_bound_regions_of_chosen_peaks_ask_for_more_of_them(add, replicates):
    alone = ("--no-sites", "--label-only", "--replicates", "union")
    code, _, err = add("MINE", *replicates, *alone)
    assert code == 2
    assert "1 bound region, 20 are needed" in err
    assert "let more of the peaks count" in err


def test_replicates_of_peaks_are_none_of_a_training(bindgrid, place):
    code, _, err = bindgrid("tf", "train", "SPI1", "--replicates", "2-of-3", "-w", place.root)
    assert (code, "'2-of-3' is no number" in err) == (2, True)


def test_remap_peaks_of_the_biosample_are_picked(add, tmp_path):
    rows = [
        f"chr1\t150\t250\tE1.SPI1.{biosample}\t1\t.\t200\t201\t0,0,0\n"
        for biosample in ("K-562", "Hep-G2", "Hep-G2")
    ]
    (tmp_path / "remap.bed").write_text("".join(rows))
    remap = ("--peaks", "{folder}/remap.bed", "--biosample", "K562")
    code, _, err = add("MINE", *remap, *ALONE)
    assert code == 0, err
    assert "remap.bed: left out 2: not of K562" in err
    (tmp_path / "remap.bed").write_text(rows[0])
    code, _, err = add("OTHER", *remap[:3], "HepG2", *ALONE)
    assert "remap.bed: its peaks are of K-562, taken for HepG2" in err


@pytest.mark.parametrize("command", ["add", "list", "remove"])
def test_help_has_an_example(bindgrid, command):
    code, out, _ = bindgrid("tf", command, "--help")
    assert (code, f"Example: bindgrid tf {command}" in out) == (0, True)


def test_regions_of_ones_own_cell_type_are_added_and_runs_stay(add, place, tmp_path):
    (tmp_path / "atac.bed").write_text("chr1\t100\t300\nchr1\t2000\t2400\n")
    (tmp_path / "mine.bed").write_text("chr1\t150\t250\nchr1\t2100\t2140\n")
    mine = ("--peaks", "{folder}/mine.bed", "--biosample", "mine", *ALONE)
    opened = ("--accessible", "{folder}/atac.bed", "--extend-regions")
    before = Dataset.open(place.dataset)
    code, _, err = add("MINE", *K562, *ALONE, "--extend-regions")
    assert code == 2
    assert "give them by --accessible" in err
    assert Dataset.open(place.dataset).num_regions == before.num_regions
    code, out, err = add("MINE", *mine, *opened)
    assert code == 0, err
    assert "1 region added to" in out
    after = Dataset.open(place.dataset)
    assert after.fingerprint(["SPI1"]) == before.fingerprint(["SPI1"])
    assert after.evidence(["MINE"])[:, 0].tolist() == [4, 0, 0, 0, 4]


def test_a_dataset_that_another_command_changes_is_left_alone(add, bindgrid, place):
    assert add("MINE", *K562, *ALONE)[0] == 0
    with sole_writer(place.dataset):
        commands = (
            add("OTHER", *K562, *ALONE),
            bindgrid("tf", "remove", "MINE", "-w", place.root),
            bindgrid("data", "import", place.root, "--replace", "-w", place.root),
        )
    for code, _, err in commands:
        assert (code, err.count("\n")) == (2, 1)
        assert "dataset: is being changed by process" in err
    assert Dataset.open(place.dataset).tfs == ("MAX", "MINE", "SPI1")


@pytest.mark.parametrize("more", [(), ("--extend-regions", "--accessible", "{folder}/k562.bed")])
def test_a_genome_of_another_assembly_is_refused(add, place, tmp_path, more):
    genome = tmp_path / "sources" / "genome.fa"
    other = genome.read_text().replace("A", "T")
    (tmp_path / "other.fa").write_text(other)
    lab = ("--peaks", "{folder}/k562.bed", "--biosample", "mine") if more else K562
    code, _, err = add("MINE", *lab, *ALONE, *more, "--genome", "{folder}/other.fa")
    complaint = err.splitlines()[-1]
    assert (code, f"other.fa: is not the genome that {place.dataset}" in complaint) == (2, True)
    assert complaint.endswith(f"give that genome: --genome {genome}")
    genome.write_text(other)
    code, _, err = add("MINE", *lab, *ALONE, *more)
    assert (code, "the file has changed since" in err.splitlines()[-1]) == (2, True)
    assert Dataset.open(place.dataset).tfs == ("MAX", "SPI1")
