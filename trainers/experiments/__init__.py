"""Named experiments: one for every cell family of the paper, and small ones for here.

The list needs no TensorFlow; the modules that make the configurations do.
"""

# In the order of the list.
from trainers.experiments import tables, catalogue  # isort: skip
from trainers.experiments.registry import EXPERIMENTS, Experiment, register_all

__all__ = ["EXPERIMENTS", "Experiment", "catalogue", "register_all", "tables"]
