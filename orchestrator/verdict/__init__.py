"""How good one TF's model is, and whether to use it.

`orchestrator.tracking.verdicts` logs verdicts to MLflow.
"""
