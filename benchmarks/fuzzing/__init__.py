"""Good files of every kind that a command reads, mutations of them, and a judge of the outcome."""
