"""The training engine: tf-models-official's, with what norm-act layers need added."""
