"""Layer graphs as data: they run, and are differentiated, without TensorFlow tracing them."""
