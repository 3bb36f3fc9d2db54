"""Plans on Ray: Tune schedules runs, Train trains them.

A plan in this process is `orchestrator.backends.local`.
"""
