"""How a base fits a TF and the genome of a dataset: what it has seen of both.

A base saw regions of the chromosomes that it was trained on, where the dataset is of its species,
whatever the assembly. The species is told from the lengths of the chromosomes.
"""

from dataclasses import dataclass

from data.dataset.store import Dataset
from data.errors import DataError
from data.own_tf.edit import source_genome
from data.sources.assemblies import Assembly, assembly_named, assembly_of
from data.sources.genome import Genome
from orchestrator.prediction.base import Base, find_base
from orchestrator.spec import BaseStart


@dataclass(frozen=True, kw_only=True)
class BaseFit:
    """What a user should know of a model that started from a base."""

    name: str
    """Name of the base."""
    assembly: str
    """Assembly of the base; empty where it is not known."""
    species: str
    """Its species; empty where it is not known."""
    own_assembly: str
    """Assembly of the dataset; empty where it is not known."""
    own_species: str
    known_as: str
    """The TF by the base's name; empty where the base was not trained on it."""

    @property
    def are_species_known(self) -> bool:
        """Whether it can be told which of the dataset's regions the base has seen."""
        return bool(self.species and self.own_species)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What that means, for people."""
        said = []
        if self.known_as:
            said.append(
                f"{self.name} was trained on {self.known_as} itself, by labels of its own, perhaps "
                "of these very cells: the scores of transfer are optimistic for a TF that is new "
                "to it."
            )
        if not self.are_species_known:
            said.append(
                f"{self.name} is of {_named(self.species, self.assembly)}, and your genome of "
                f"{_named(self.own_species, self.own_assembly)}: whether it has seen regions like "
                "the test regions cannot be known."
            )
        elif self.species != self.own_species:
            said.append(
                f"{self.name} is of {self.species} and your genome of {self.own_species}: it has "
                "seen none of your regions, and has learnt motifs rather than your genome."
            )
        elif self.assembly != self.own_assembly:
            said.append(
                f"{self.name} is of {self.assembly} and your genome is {self.own_assembly}: "
                "chromosomes with the same name are taken to be the same."
            )
        return tuple(said)


def fit_of(base: Base, dataset: Dataset, tf: str) -> BaseFit:
    """Say how a base fits a TF of a dataset."""
    about = base.card.data.about
    own = dataset_assembly(dataset)
    return BaseFit(
        name=base.card.name,
        assembly="" if about is None else about.assembly,
        species="" if about is None else about.species,
        own_assembly="" if own is None else own.name,
        own_species="" if own is None else own.species,
        known_as=base.known_as(tf) or "",
    )


def fit_of_start(start: BaseStart, dataset: Dataset, tf: str) -> BaseFit:
    """Say how the base that a run started from fits a TF, by what is known of it here."""
    base = find_base()
    if base is not None and any(one.sha256 == start.sha256 for one in base.card.replicates):
        return fit_of(base, dataset, tf)
    known = next((one for one in start.tfs if one.upper() == tf.upper()), "")
    return BaseFit(
        name=start.name, assembly="", species="", own_assembly="", own_species="", known_as=known
    )


def seen_chroms(base: Base, dataset: Dataset) -> tuple[str, ...]:
    """Chromosomes of a dataset whose regions a base was trained on, by name; none elsewhere."""
    about, own = base.card.data.about, dataset_assembly(dataset)
    if about is None or own is None or about.species != own.species:
        return ()
    seen = {chrom.removeprefix("chr") for chrom in base.card.chroms_seen}
    there = dataset.regions().chromosomes()
    return tuple(chrom for chrom in there if chrom.removeprefix("chr") in seen)


def dataset_assembly(dataset: Dataset) -> Assembly | None:
    """Recognize the assembly of a dataset by its genome; None where that is gone or not known."""
    own = dataset.manifest.own_regions
    if own is not None:
        return assembly_named(own.assembly)
    path = source_genome(dataset)
    try:
        return None if path is None else assembly_of(Genome(path).lengths_bp)
    except DataError:
        return None


def _named(species: str, assembly: str) -> str:
    words = [species or "an unknown species", f"({assembly})" if assembly else ""]
    return " ".join(filter(None, words))
