"""Configurations, optimizers and the training loop where tf-models-official cannot be used."""
