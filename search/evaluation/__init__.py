"""The evaluation of a candidate: probe, quality test, stability test, training."""
