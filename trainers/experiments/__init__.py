"""Named experiments: one for every cell family of the paper, and small ones for here."""

# In the order of the list.
from trainers.experiments import tables, coco, biggan, cifar10, digits, shapes  # isort: skip
from trainers.experiments.registry import EXPERIMENTS, Experiment, register_all

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "biggan",
    "cifar10",
    "coco",
    "digits",
    "register_all",
    "shapes",
    "tables",
]
