"""What a candidate goes through: probe, quality test, stability test, training."""
