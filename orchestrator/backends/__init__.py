"""What runs a plan: this process or a Ray cluster; and what it will cost.

What a single run does is in `orchestrator.runs`.
"""
