"""The search of fine-tuning settings for one TF: Optuna through Ray Tune, kept in a journal."""
