"""The authors' released matrices and index files, read as a dataset."""
