"""The authors' released matrices and index files, read as a dataset.

The sources' own formats are read in `data.sources`.
"""
