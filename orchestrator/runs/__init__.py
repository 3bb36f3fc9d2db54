"""One run: executed, stored, found again.

Many runs are the business of `orchestrator.backends`.
"""
