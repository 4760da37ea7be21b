"""Layer graphs: vocabulary, JSON form, formulas and pictures, all without TensorFlow."""
