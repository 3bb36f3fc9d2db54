"""From source files to the evidence of a dataset: regions, peaks, sites, tables, genome.

A lab's own TF is `data.own_tf`.
"""
