"""Named experiments: one for every cell family of the paper, and small ones for here."""

from trainers.experiments import tables, cifar10, digits  # isort: skip  (the order of the list)
from trainers.experiments.registry import EXPERIMENTS, Experiment, names, register_all

__all__ = ["EXPERIMENTS", "Experiment", "cifar10", "digits", "names", "register_all", "tables"]
