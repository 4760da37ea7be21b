"""Mask R-CNN of tf-models-official with any norm-act layer (section 5.2 of the paper)."""
