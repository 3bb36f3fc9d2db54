"""Experiment `interpretation` (Fig. 3): filters, and what becomes of them in fine-tuning."""
