"""Experiment `binding-modes` (Fig. 2A): whether a shared binding mode helps.

Which TFs share a mode is found in `data.relations`.
"""
