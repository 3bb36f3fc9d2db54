"""The dataset as it lies on disk, and which of its regions a run learns from.

Reading other formats is `data.sources`.
"""
