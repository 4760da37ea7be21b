"""Statistics and primitives: the numbers of every layer, in plain TensorFlow operations."""
