"""A page on which a search can be watched while it runs."""
