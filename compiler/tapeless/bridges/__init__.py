"""Functions in the protocols of other libraries; each host is imported lazily."""
