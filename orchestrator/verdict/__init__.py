"""The verdict on one TF: how good its model is, beside its controls, and whether to use it."""
