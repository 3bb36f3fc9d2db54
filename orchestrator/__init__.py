"""How experiments run: run specs and keys, plans, backends, run store, MLflow and tables.

What to run is decided in `experiments`.
"""
