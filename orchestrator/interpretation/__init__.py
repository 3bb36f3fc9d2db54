"""What finished runs learnt: filters as motifs, through fine-tuning; contributions of bases.

The computations on arrays are in `model.interpretation` and `data.motifs`.
"""
