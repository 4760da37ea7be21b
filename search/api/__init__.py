"""The search for Python programs and notebooks: `search.run`, `search.resume`, `search.open`."""
