"""How a network is trained, by one process or several.

Which settings to train with is decided in `experiments`.
"""
