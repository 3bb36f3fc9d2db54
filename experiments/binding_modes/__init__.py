"""Experiment `binding-modes` (Fig. 2A): whether a shared binding mode helps."""
