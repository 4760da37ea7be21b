"""The Keras layers, a family of normalization-activation layers a module."""
