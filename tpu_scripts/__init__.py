"""Scripts that get the trainers onto Cloud TPUs; run from a checkout."""
