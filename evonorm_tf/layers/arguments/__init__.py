"""What a layer is to Keras on every backend: arguments, checks, weights and configuration.

Nothing here imports TensorFlow, so the layers of every backend share it, and with it their files.
"""
