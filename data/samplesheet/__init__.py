"""A lab's own collection of peaks, named by a sample sheet, made a dataset; in any assembly.

A sheet has a row for each file of peaks: of which TF, in which biosample. Single TFs are added in
`data.own_tf`.
"""
