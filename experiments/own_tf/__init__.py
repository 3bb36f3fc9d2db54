"""The runs of a verdict on a lab's own TF, and what its model starts from."""
