"""Named experiments: those of the paper's tables, and small ones for one CPU core.

The list needs no TensorFlow; the modules that build the configurations do.
"""

# In the order of the list.
from trainers.experiments import tables, catalogue  # isort: skip
from trainers.experiments.registry import EXPERIMENTS, Experiment, register_all

__all__ = ["EXPERIMENTS", "Experiment", "catalogue", "register_all", "tables"]
