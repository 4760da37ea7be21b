"""Models, anchors, data and the training engine; run from a checkout."""
