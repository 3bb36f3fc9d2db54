"""How experiments run: run specs and keys, plans, backends, run store, MLflow and tables.

What to run is decided in `experiments`.
"""

import gc

# Before torch, Ray and MLflow are imported, in each command, each process that it starts and each
# worker of Ray's. They are a million objects that stay, and by default Python looks through all of
# them again and again meanwhile: half a second of a command, and 0.8 s of a worker.
gc.set_threshold(50_000, 20, 20)
