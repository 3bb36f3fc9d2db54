"""Networks, the training loop, transfer of weights and evaluation.

It takes and gives arrays: no datasets, no MLflow, no Ray.
"""
