"""A toy experiment, as somebody adds one from outside: plan, findings, figures and a record."""
