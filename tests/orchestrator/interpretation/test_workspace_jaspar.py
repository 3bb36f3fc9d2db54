"""The part of JASPAR that a workspace's filters are compared with."""

from pathlib import Path

import pytest

from data.errors import DataError
from data.motifs.database import DEFAULT, Jaspar
from experiments.cli.options.jaspar import JasparOptions
from orchestrator.interpretation.workspace_jaspar import workspace_jaspar
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset


def test_it_is_the_one_that_the_dataset_was_built_with_and_else_the_papers(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert workspace_jaspar(place) == DEFAULT
    tiny_dataset(place.dataset)
    manifest = place.dataset / "manifest.json"
    as_before = manifest.read_text()
    assert "jaspar" not in as_before
    assert workspace_jaspar(place) == DEFAULT
    manifest.write_text(as_before.replace("{", '{"jaspar": "JASPAR2022 CORE plants",', 1))
    assert workspace_jaspar(place) == Jaspar(year="2022", taxon="plants")
    manifest.write_text(as_before.replace("{", '{"jaspar": "JASPAR2040 CORE plants",', 1))
    with pytest.raises(DataError, match=r"called 'JASPAR2040 CORE plants'; update pyjaspar"):
        workspace_jaspar(place)


def test_options_stand_before_what_the_dataset_was_built_with() -> None:
    plants = Jaspar(year="2022", taxon="plants")
    assert JasparOptions().part() == DEFAULT
    assert JasparOptions().part(plants) == plants
    assert JasparOptions(jaspar="2024").part(plants) == Jaspar(year="2024", taxon="plants")
    assert JasparOptions(taxon="fungi").part(plants) == Jaspar(year="2022", taxon="fungi")
