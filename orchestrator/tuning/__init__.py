"""The search of fine-tuning settings: Optuna through Ray Tune, kept in a journal."""
