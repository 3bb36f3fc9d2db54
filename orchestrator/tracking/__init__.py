"""All of MLflow: a view of the run store, from which it can be rebuilt. No result is only here."""
