"""What is recorded of an added TF, and what it says of a dataset's labels."""

from data.dataset.added import AddedTF
from data.dataset.evidence_file import TFSummary
from data.own_tf.record import labels_in_words


def summary(tf: str, sites: str | None) -> TFSummary:
    """Give the summary of a TF of the build, or of one that was added with such sites."""
    added = None if sites is None else AddedTF(at="2026-01-01", files=(), sites=sites)
    return TFSummary(tf=tf, counts=(0, 0, 0, 0, 0), fingerprint="", added=added)


def test_labels_are_said_once_where_all_tfs_have_the_same_and_by_number_otherwise():
    built, given, alone = summary("A", None), summary("B", "given"), summary("C", "none")
    assert labels_in_words([built, given]) == "peaks and sites"
    assert labels_in_words([alone]) == "peaks alone"
    assert labels_in_words([built, alone, given]) == "peaks and sites (2 TFs), peaks alone (1 TF)"
