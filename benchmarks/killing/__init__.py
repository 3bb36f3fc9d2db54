"""What `benchmarks.kills` is made of: the plans, the kills, and what is compared afterwards."""
