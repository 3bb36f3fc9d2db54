"""From source files to the evidence of a dataset: regions, peaks, sites, tables, genome.

Files of your own TF are read in `data.own_tf`.
"""
