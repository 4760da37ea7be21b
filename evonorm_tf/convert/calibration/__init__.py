"""Fits a converted network to the one it comes from, on examples without labels."""
