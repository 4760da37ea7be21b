"""The loop: it breeds candidates, has them evaluated, and stores each verdict."""
