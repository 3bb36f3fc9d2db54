"""A search of fine-tuning settings by Optuna on Ray Tune, each judged on validation folds.

Logging trials to MLflow is in `orchestrator.tracking`.
"""
