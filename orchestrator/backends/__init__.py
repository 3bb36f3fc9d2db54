"""What runs a plan: this process, several processes, or a Ray cluster; and what a plan will cost.

What a single run does is in `orchestrator.runs`.
"""
