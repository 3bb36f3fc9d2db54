"""What a network has learnt: what activates its filters, what each base contributes.

Comparing filters with known motifs is in `data.motifs`.
"""
