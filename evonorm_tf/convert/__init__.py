"""Converts functional and sequential Keras models to another norm-act layer."""

from evonorm_tf.convert.converter import convert_model
from evonorm_tf.convert.report import Place, Report

__all__ = ["Place", "Report", "convert_model"]
