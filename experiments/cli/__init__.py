"""The command line, a file per command. What a command does is elsewhere; here are its words.

It has no rules of the science: they are in `data`, `model` and `experiments.study`.
"""
