"""Scripts that run the trainers on Cloud TPUs, from a checkout."""
