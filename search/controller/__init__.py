"""The search's loop: it breeds genotypes, sends them to a pool, and stores each verdict."""
