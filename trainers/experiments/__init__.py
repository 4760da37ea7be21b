"""Named experiments: one for every cell family of the paper, and small ones for here."""

from trainers.experiments import digits
from trainers.experiments.registry import EXPERIMENTS, Experiment, names, register_all

__all__ = ["EXPERIMENTS", "Experiment", "digits", "names", "register_all"]
