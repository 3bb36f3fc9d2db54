"""`bindgrid motifs`: what it says of a TF that it has no run of."""

from types import SimpleNamespace


def test_a_tf_of_the_base_has_no_motifs_of_its_own(bindgrid, trained, monkeypatch):
    known = {"RXRA": "RXRA", "SPI9": None}
    base = SimpleNamespace(known_as=known.get)
    monkeypatch.setattr("orchestrator.prediction.base.find_base", lambda: base)
    for tf, is_there in (("RXRA", True), ("base:RXRA", True), ("SPI9", False)):
        code, out, err = bindgrid("motifs", tf, "-w", trained.root)
        assert (code, out) == (2, "")
        assert "no finished run of" in err
        assert ("its networks have no motifs of single TFs" in err) == is_there
        assert ("`bindgrid explain RXRA` with --bed" in err) == is_there
