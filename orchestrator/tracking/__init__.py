"""All of MLflow: a view of the run store that can be made anew. No result lives here alone."""
