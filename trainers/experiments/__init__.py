"""Named experiments: one for every cell family of the paper, and small ones for here."""

from trainers.experiments import tables, cifar10, digits  # isort: skip  (the order of the list)
from trainers.experiments.registry import EXPERIMENTS, Experiment, register_all

__all__ = ["EXPERIMENTS", "Experiment", "cifar10", "digits", "register_all", "tables"]
