"""What a network has learnt: what activates its filters, what each base contributes."""
