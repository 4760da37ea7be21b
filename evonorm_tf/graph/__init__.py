"""Layer graphs: primitives, JSON form, formulas and drawings, without TensorFlow."""
