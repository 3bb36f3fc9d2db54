"""`bindgrid tf`: the commands for your own TFs, and for groups of related TFs.

What they do is in `data.own_tf`, `experiments.own_tf` and `orchestrator.verdict`.
"""
