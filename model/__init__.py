"""Networks, the training loop, transfer of weights and evaluation."""
