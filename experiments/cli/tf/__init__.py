"""`bindgrid tf`: the commands for TFs of one's own, and for groups of related TFs.

What they do is in `data.own_tf`, `experiments.own_tf` and `orchestrator.verdict`.
"""
