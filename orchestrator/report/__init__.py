"""What all sections of a report share: tables, statistics, the page.

An experiment's own findings are in its folder.
"""
