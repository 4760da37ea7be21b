"""The optimizer of short trainings on one core."""

from trainers.engine.config import OptimizationConfig


def warmed_up(rate: float, steps: int) -> OptimizationConfig:
    """SGD with Nesterov momentum; the rate rises in a tenth of the steps, then follows a cosine."""
    return OptimizationConfig(
        {
            "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "nesterov": True}},
            "learning_rate": {
                "type": "cosine",
                "cosine": {"initial_learning_rate": rate, "decay_steps": steps},
            },
            "warmup": {"type": "linear", "linear": {"warmup_steps": steps // 10}},
        }
    )
