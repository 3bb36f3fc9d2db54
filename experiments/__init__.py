"""What to run: one named function per experiment, and the command line.

How runs are executed, stored and reported is in `orchestrator`.
"""

import os

# Before NumPy loads it. Matrices here are small, and processes that train beside each other would
# each have a thread on every core, which wait for one another: `tf add` took twice the time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
