"""The VCF file that comes back annotated: what is added, and that nothing else changes."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio import bgzf

from data.errors import DataError
from data.output import output_named
from orchestrator.prediction.annotated_vcf import annotating, info_key
from orchestrator.prediction.writers import VARIANT_FORMATS

HEADER = '##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##note=Grüße, \\ and "quotes"\n'
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tone\n"


def table(*effects: float, reasons: tuple[str, ...] = (), motif: bool = False) -> pd.DataFrame:
    columns: dict[str, object] = {
        name: np.array(effects, dtype=np.float32)
        for name in ("ref_probability", "alt_probability", "effect", "logit_effect", "spread")
    }
    columns["swapped"] = pd.array(
        [None if np.isnan(one) else one < 0 for one in effects], "boolean"
    )
    if motif:
        columns |= {
            "motif": ["a;b c"] * len(effects),
            "motif_positions": ["1-2+"] * len(effects),
            "motif_bits_change": np.array(effects),
        }
    return pd.DataFrame(columns | {"reason": reasons or [""] * len(effects)})


def annotated(source: Path, out: Path, *tables: pd.DataFrame, model: str = "M") -> list[str]:
    has_motif = "motif" in tables[0]
    output = output_named(out, VARIANT_FORMATS)
    with annotating(output, source, model, 'of "us"', has_motif=has_motif) as file:
        for one in tables:
            file.write(one)
    text = out.read_bytes()
    return (gzip.decompress(text) if out.suffix == ".gz" else text).decode().splitlines()


def test_info_is_added_and_all_else_stays_as_it_was(tmp_path):
    source = tmp_path / "v.vcf"
    rows = [
        "chr1\t5\trs1\tA\tC,<DEL>\t3.50\tq10\tAC=1,2;DB;\tGT:X\t0/1:.",
        "chr1\t6\t.\ta\tg\t.\t.\t.\tGT\t1|0",
        "chr1\t7\t.\tA\t.\t.\tPASS\tEND=9\tGT\t0/0",
        "chrUn\t7\t.\tA\tT\t.\tPASS\t\tGT\t0/0",
    ]
    source.write_text(HEADER + COLUMNS + "\n".join(rows) + "\n")
    reasons = ("", "no sequence of A, C")
    first = table(0.25, np.nan, reasons=reasons)
    rest = table(-0.5, np.nan, np.nan, reasons=("", "no alternative", "lacks; it=so"))
    lines = annotated(source, tmp_path / "out.vcf", first, rest)
    added = [line for line in lines if line.startswith("##INFO")]
    assert [line for line in lines if line not in added][:4] == (HEADER + COLUMNS).splitlines()
    assert lines[len(added) + 3] == COLUMNS.strip()
    keys = [line.split("ID=")[1].split(",")[0] for line in added]
    assert all(",Number=A,Type=" in line for line in added)
    assert all('by the model M (of \\"us\\")",Source="bindgrid">' in line for line in added)
    found = [line.split("\t") for line in lines if not line.startswith("#")]
    for old, new in zip([row.split("\t") for row in rows], found, strict=True):
        assert [*new[:7], *new[8:]] == [*old[:7], *old[8:]]
    info = [row[7] for row in found]
    assert info[0].startswith("AC=1,2;DB;M_ref_probability=0.25,.;")
    assert "M_reason=.,no_sequence_of_A%2C_C" in info[0]
    assert [item.split("=")[0] for item in info[1].split(";")] == keys
    assert {"M_effect=-0.5", "M_swapped=1"} < set(info[1].split(";"))
    assert info[2] == "END=9"
    assert info[3].endswith(
        "M_effect=.;M_logit_effect=.;M_spread=.;M_swapped=.;M_reason=lacks%3B_it%3Dso"
    )


def test_a_row_without_a_variant_stays_as_it_was(tmp_path):
    source = tmp_path / "v.vcf"
    odd = ["chr1\t5", "chr1\tfive\t.\tA\tC\t.\t.\tDP=1"]
    source.write_text(HEADER + COLUMNS + "\n".join([odd[0], "chr1\t6\t.\tA\tG", odd[1]]) + "\n")
    lines = annotated(source, tmp_path / "out.vcf", table(0.25))[-3:]
    assert [lines[0], lines[2]] == odd
    assert "M_effect=0.25" in lines[1]


def test_a_file_of_five_columns_gets_the_columns_that_info_needs(tmp_path):
    source = tmp_path / "v.vcf"
    source.write_bytes(b"#CHROM\tPOS\tID\tREF\tALT\r\nchr1\t5\t.\tA\tC\r\n\r\n")
    *_, header, row, blank = annotated(source, tmp_path / "out.vcf", table(0.5))
    assert header == "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    assert row.split("\t")[:7] == ["chr1", "5", ".", "A", "C", ".", "."]
    assert row.split("\t")[7].startswith("M_ref_probability=0.5;")
    assert blank == ""


def test_a_file_can_be_annotated_again_and_by_another_model(tmp_path):
    source = tmp_path / "v.vcf"
    source.write_text(HEADER + COLUMNS + "chr1\t5\t.\tA\tC\t.\t.\tAC=1\tGT\t0/1\n")
    annotated(source, tmp_path / "1.vcf", table(0.5, motif=True))
    annotated(tmp_path / "1.vcf", tmp_path / "2.vcf", table(0.25, motif=True), model="1 x")
    lines = annotated(tmp_path / "2.vcf", tmp_path / "3.vcf", table(0.125, motif=True))
    info = lines[-1].split("\t")[7].split(";")
    assert info[0] == "AC=1"
    assert "M_effect=0.125" in info
    assert "_1_x_effect=0.25" in info
    assert "M_motif=a%3Bb_c" in info
    keys = [item.split("=")[0] for item in info[1:]]
    assert len(keys) == len(set(keys)) == 20
    declared = [line.split("ID=")[1].split(",")[0] for line in lines if line.startswith("##INFO")]
    assert sorted(declared) == sorted(keys)
    # what an earlier motif said does not stay beside new predictions
    lines = annotated(tmp_path / "3.vcf", tmp_path / "4.vcf", table(0.75))
    assert [line for line in lines if "M_motif" in line] == []
    assert "_1_x_motif=a%3Bb_c" in lines[-1].split("\t")[7].split(";")


@pytest.mark.parametrize("text", ["chr1\t5\t.\tA\tC\n", "##fileformat=VCFv4.2\n"])
def test_a_file_without_a_header_line_is_refused_and_nothing_is_left(tmp_path, text):
    source = tmp_path / "v.vcf"
    source.write_text(text)
    with pytest.raises(DataError, match="no line that begins with #CHROM"):
        annotated(source, tmp_path / "out.vcf", table(0.5))
    assert [path.name for path in tmp_path.iterdir()] == ["v.vcf"]


def test_the_compressed_file_is_bgzf_with_lines_where_tabix_looks(tmp_path):
    source = tmp_path / "v.vcf.gz"
    num = 5000
    rows = "".join(f"chr1\t{at + 1}\t.\tA\tC\t.\t.\tX={'y' * 30}\tGT\t0\n" for at in range(num))
    source.write_bytes(gzip.compress((HEADER + COLUMNS + rows).encode()))
    out = tmp_path / "out.vcf.gz"
    lines = annotated(source, out, table(*[0.5] * num))
    assert len([line for line in lines if not line.startswith("#")]) == num
    raw = out.read_bytes()
    with out.open("rb") as file:
        blocks = list(bgzf.BgzfBlocks(file))
    assert len(blocks) > 10
    assert sum(length for _, length, _, _ in blocks) == len(raw)
    # the empty block at the end, which says that the file is whole
    assert struct.unpack_from("<H", raw, blocks[-1][0] + 16)[0] + 1 == 28
    assert blocks[-1][3] == 0


def test_names_of_info_fields_are_such_as_vcf_takes():
    assert info_key("SPI1", "effect") == "SPI1_effect"
    assert info_key("NKX2-5/my model", "effect") == "NKX2_5_my_model_effect"
    assert info_key("0f3a", "effect") == "_0f3a_effect"
