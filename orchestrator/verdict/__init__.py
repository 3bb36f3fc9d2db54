"""How good one TF's model is, and whether to use it.

MLflow is told by `orchestrator.tracking.verdicts`.
"""
