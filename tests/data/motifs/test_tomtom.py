"""TOMTOM: whether it is compiled."""

from data.motifs.tomtom import is_compiled


def test_it_is_compiled_where_numba_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setattr("data.motifs.tomtom.find_spec", lambda name: None)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not is_compiled()
    (tmp_path / "memelite_1").mkdir()
    (tmp_path / "memelite_1" / "tomtom.tomtom-1.py311.nbi").touch()
    assert is_compiled()
