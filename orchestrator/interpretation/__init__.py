"""What finished runs learnt: motifs of filters, also through fine-tuning; contributions of bases.

The computations on arrays are in `model.interpretation` and `data.motifs`.
"""
