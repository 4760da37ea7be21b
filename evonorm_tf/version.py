"""The version, readable without importing TensorFlow."""

VERSION = "0.1.0"
