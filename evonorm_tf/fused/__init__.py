"""Layers whose backward pass keeps only the layer's input, in plain TensorFlow operations."""
