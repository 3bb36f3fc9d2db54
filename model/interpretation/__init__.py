"""What a network has learnt: what activates its filters, what its predictions owe to each base."""
