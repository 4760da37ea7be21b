"""The optimizer of short trainings on one core."""

from trainers.engine.config import OptimizationConfig


def warmed_up(rate: float, steps: int, warmup: float = 0.1) -> OptimizationConfig:
    """SGD with Nesterov momentum; the rate rises in a share of the steps, then follows a cosine."""
    return OptimizationConfig(
        {
            "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
            "learning_rate": {
                "type": "cosine",
                "cosine": {"initial_learning_rate": rate, "decay_steps": steps},
            },
            "warmup": {"type": "linear", "linear": {"warmup_steps": int(warmup * steps)}},
        }
    )
