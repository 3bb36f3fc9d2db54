import gzip

import pytest

from benchmarks.published import write_remap, write_ucsc, write_unibind
from data.dataset.store import Dataset
from data.simulation.simulate import SimulationConfig, simulate
from data.sources.build import build_dataset


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("simulated"), SimulationConfig(num_regions=1200))


@pytest.fixture
def downloads(simulated, tmp_path):
    """A folder of publishers' files, as downloaded, but for their names."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    write_ucsc(simulated.dhs, simulated.samples, folder)
    write_remap(simulated.peaks, folder)
    write_unibind(simulated.sites, simulated.experiments, folder, "2022")
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"download.{number}")
    return folder


def test_what_to_download_is_shown(bindgrid):
    code, out, _ = bindgrid("data", "sources")
    assert code == 0
    for word in ("wgEncodeRegDnaseClustered.txt.gz", "71 MB", "pwm_tfbs.tar.gz", "2018", "hg38.fa"):
        assert word in out


@pytest.mark.slow
def test_downloads_are_checked_and_built_from(bindgrid, simulated, downloads, tmp_path):
    code, out, _ = bindgrid("data", "check", downloads)
    assert code == 0
    assert out.count("whole") == 4
    assert f"data build --from {downloads} --genome hg38.fa" in out.replace("\n", " ")
    workspace = tmp_path / "workspace"
    unmatched = tmp_path / "unmatched.tsv"
    code, out, err = bindgrid(
        *("data", "build", "--from", downloads, "--genome", simulated.genome),
        *("--workspace", workspace, "--unmatched", unmatched),
    )
    assert code == 0, err
    assert "BJ1-hTERT_GATA4 has no DHSs: 558 rows" in out
    assert "peaks: of treated samples: 558" in out
    assert unmatched.read_text().splitlines()[1].startswith("BJ1-hTERT_GATA4\t\t558")
    built = Dataset.open(workspace / "dataset")
    plain = build_dataset(simulated, tmp_path / "plain")
    assert built.fingerprint(built.tfs) == plain.fingerprint(plain.tfs)


def test_what_is_missing_or_cut_off_is_told_with_what_to_download(bindgrid, downloads):
    packed = {path: path.read_bytes() for path in downloads.iterdir()}
    archive = next(path for path, text in packed.items() if b".damo" in gzip.decompress(text))
    archive.write_bytes(packed[archive][:1000])
    code, out, _ = bindgrid("data", "check", downloads)
    assert code == 2
    assert "truncated or damaged" in out
    assert "Missing: TF binding sites" in out
    assert "damo_hg38_all_TFBS.tar.gz" in out
    assert "remap2022" not in out


def test_an_option_stands_before_what_the_folder_holds(bindgrid, simulated, downloads, tmp_path):
    one = next(path for path in downloads.iterdir() if path.suffix == ".0")
    (downloads / "copy").write_bytes(one.read_bytes())
    arguments = [*("data", "build", "--from", downloads, "--genome", simulated.genome)]
    arguments += ["--workspace", tmp_path / "w"]
    code, _, err = bindgrid(*arguments)
    assert code == 2
    assert "choose one by --sites" in err
    code, _, err = bindgrid(*arguments, "--sites", one)
    assert code == 0, err


def test_a_build_without_all_sources_says_which_are_missing(bindgrid, downloads, tmp_path):
    code, _, err = bindgrid("data", "build", "--workspace", tmp_path / "w")
    assert code == 2
    assert "--dhs, --peaks, --sites, --genome missing; `bindgrid data sources`" in err
    code, _, err = bindgrid("data", "build", "--from", downloads, "--workspace", tmp_path / "w")
    assert code == 2
    assert "--genome missing" in err
    assert "\n" not in err.strip()


def test_the_authors_release_needs_no_build(bindgrid, tmp_path, monkeypatch):
    for name in ("sequences.200bp.chr1.fa.gz", "matrix2d.SPI1.ReMap+UniBind.sparse.npz"):
        (tmp_path / name).touch()
    monkeypatch.setattr("data.release.authors.check_release", lambda folder: ("SPI1",))
    code, out, _ = bindgrid("data", "check", tmp_path)
    assert code == 0
    assert out.split()[1:5] == ["files", "of", "1", "TF"]
    assert out.endswith(f"bindgrid data import {tmp_path}\n")
