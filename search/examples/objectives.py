"""Scores in place of the accuracy; each is a value of `evaluation.objective`.

An objective gets a trained layer (`search.evaluation.objective.Trained`) and the split to score on,
and returns a number, of which higher is better.
"""

import statistics
import time
from typing import Any

import numpy as np
import tensorflow as tf

import evonorm_tf as en

_CALLS, _BATCH, _CALIBRATING = 20, 32, 100


def negative_loss(trained: Any, split: Any) -> float:
    """Minus the mean cross-entropy."""
    logits = trained.model(trained.inputs(split), training=False)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(split.labels, logits)
    return -float(tf.reduce_mean(loss))


def worst_batch_size(trained: Any, split: Any) -> float:
    """The lower of two accuracies: of this training, and of one with two examples a batch."""
    return min(trained.accuracy(split), trained.again(batch_size=2).accuracy(split))


def accuracy_and_speed(trained: Any, split: Any) -> float:
    """The accuracy, less a point for each millisecond that a batch of 32 takes in inference."""
    model, batch = trained.standalone(), trained.inputs(split)[:_BATCH]
    infer = tf.function(lambda x: model(x, training=False), autograph=False)
    infer(batch)  # traces
    seconds = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        infer(batch).numpy()
        seconds.append(time.perf_counter() - start)
    return trained.accuracy(split) - 0.01 * 1000 * statistics.median(seconds)


def int8_accuracy(trained: Any, split: Any) -> float:
    """The accuracy of the network as a full-integer LiteRT model."""
    inputs = trained.inputs(split).numpy()
    converter = tf.lite.TFLiteConverter.from_keras_model(trained.standalone())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in inputs[:_CALIBRATING])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with en.quantizable():
        content = converter.convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    predictions = []
    for x in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[None])
        interpreter.invoke()
        logits = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        predictions.append(logits.argmax())
    return float(np.mean(predictions == split.labels))
