"""What is said of a base that was trained on a TF itself."""

from orchestrator.prediction.base_fit import BaseFit


def test_labels_of_the_tf_are_the_bases_own_which_may_be_of_the_same_cells():
    of_human = {"assembly": "hg38", "own_assembly": "hg38", "species": "human"}
    fit = BaseFit(name="base", own_species="human", known_as="SPI1", **of_human)
    assert fit.sentences == (
        "base was trained on SPI1 itself, by labels of its own, perhaps of these very cells: the "
        "scores of transfer are optimistic for a TF that is new to it.",
    )
