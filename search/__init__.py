"""The evolutionary search for normalization-activation layers; run from a checkout."""
