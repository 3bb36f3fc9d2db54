"""What to run: one named function per experiment, and the command line."""
