"""How fast each layer learns in a tiny network, at several learning rates.

    python -m benchmarks.learning_rates [--output_dir docs/learning_rates]

Two convolutions, each with the layer behind it, on scikit-learn's digits: 10 epochs of batches of
32, momentum 0.9, a constant rate, three seeds. The test accuracies after each epoch go into
rates.json; the table and the figure are made from that file, and `--draw` only repeats that.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

LAYERS = ("bn_relu", "bn_silu", "gn_relu", "frn", "evonorm_b0", "evonorm_s0", "evonorm_s1")
RATES = (0.01, 0.03, 0.1, 0.3)
SEEDS = (0, 1, 2)
EPOCHS = 10
BATCH = 32


def measure():
    """Test accuracies after each epoch: layer, rate, seed, epoch."""
    found = {}
    for layer in LAYERS:
        trainer = _Trainer(layer)
        found[layer] = {
            str(rate): [trainer.accuracies(rate, seed) for seed in SEEDS] for rate in RATES
        }
        print(layer, {rate: _last(runs) for rate, runs in found[layer].items()}, flush=True)
    return found


class _Trainer:
    """One network and one traced step, which all rates and seeds of a layer share."""

    def __init__(self, layer):
        import tensorflow as tf

        from trainers.data import digits

        data = digits.load()
        self._train = _scaled(data.train)
        self._test = _scaled(data.test)
        self._model = _network(layer)
        self._optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
        self._optimizer.build(self._model.trainable_variables)
        self._step = tf.function(self._step_eagerly)

    def accuracies(self, rate, seed):
        """In percent, after each epoch of a new training."""
        import numpy as np
        import tensorflow as tf

        self._start(rate, seed)
        images, labels = self._train
        rng = np.random.default_rng(seed)
        found = []
        for _ in range(EPOCHS):
            order = rng.permutation(len(labels))
            for start in range(0, len(order) - BATCH + 1, BATCH):
                chosen = order[start : start + BATCH]
                self._step(tf.gather(images, chosen), tf.gather(labels, chosen))
            found.append(self._accuracy())
        return found

    def _start(self, rate, seed):
        import tensorflow as tf

        tf.keras.utils.set_random_seed(seed)
        self._model.set_weights(tf.keras.models.clone_model(self._model).get_weights())
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        self._optimizer.learning_rate.assign(rate)

    def _step_eagerly(self, images, labels):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            logits = self._model(images, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            )
        variables = self._model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def _accuracy(self):
        import numpy as np

        images, labels = self._test
        right = np.argmax(self._model(images, training=False), axis=-1) == labels
        return round(100.0 * float(np.mean(right)), 2)


def _scaled(split):
    return split.images.astype("float32") / 255.0, split.labels


def _network(layer):
    import tensorflow as tf

    import evonorm_tf as en

    return tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            tf.keras.layers.Conv2D(16, 3, padding="same", use_bias=False),
            en.get(layer),
            tf.keras.layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False),
            en.get(layer),
            tf.keras.layers.GlobalAveragePooling2D(),
            tf.keras.layers.Dense(10),
        ]
    )


def _last(runs, epoch=-1):
    """Mean over the seeds after an epoch, the last one if none is given."""
    return sum(run[epoch] for run in runs) / len(runs)


def tabulate(found):
    """The table in Markdown: means over the seeds after two epochs and at the end."""
    lines = [
        "| layer | " + " | ".join(f"rate {rate}" for rate in RATES) + " |",
        "| --- |" + " ---: |" * len(RATES),
    ]
    for layer, by_rate in found.items():
        cells = [
            f"{_last(by_rate[str(rate)], 1):.0f}, {_last(by_rate[str(rate)]):.0f}" for rate in RATES
        ]
        lines.append(f"| {layer} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(found, path):
    """The curves of all layers, a panel for each rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(RATES), figsize=(12, 3.2), sharey=True, dpi=150)
    for axis, rate in zip(axes, RATES, strict=True):
        for layer, by_rate in found.items():
            means = [_last(by_rate[str(rate)], epoch) for epoch in range(EPOCHS)]
            axis.plot(range(1, EPOCHS + 1), means, label=layer, linewidth=1.6)
        axis.set_title(f"learning rate {rate}", fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("test accuracy (%)")
    axes[-1].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def main():
    """Measures and writes, or with --draw only writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_dir", type=pathlib.Path, default="docs/learning_rates")
    parser.add_argument("--draw", action="store_true", help="from rates.json, without training")
    arguments = parser.parse_args()
    folder = arguments.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "rates.json"
    if not arguments.draw:
        record.write_text(json.dumps(measure()) + "\n", encoding="utf-8")
    found = json.loads(record.read_text(encoding="utf-8"))
    (folder / "rates.md").write_text(tabulate(found), encoding="utf-8")
    draw(found, folder / "rates.png")


if __name__ == "__main__":
    main()
