"""What finished runs learnt: filters as motifs, through fine-tuning; contributions of bases."""
