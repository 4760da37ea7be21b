"""Thin networks with Keras's BatchNormalization, trained on CIFAR-10 for other benchmarks.

    python -m benchmarks.cifar_networks --data-dir DATA --out FOLDER [--networks resnet_v1 ...]
        [--seeds 3] [--epochs 12]

FOLDER gets one file NAME_SEED.keras for each network and seed; those that exist are not trained
again. Each epoch prints the accuracy on the test split.
"""

import argparse
import pathlib
from typing import Any

NETWORKS = ("resnet_v1", "resnet_v2", "mobilenet_v2", "efficientnet")
# What other benchmarks convert them to.
LAYERS = ("evonorm_s0", "evonorm_b0", "gn_relu", "frn")
_BATCH, _RATE, _MOMENTUM, _DECAY = 128, 0.1, 0.9, 5e-4
_PAD, _WARMUP = 4, 200


def path_of(folder: pathlib.Path, network: str, seed: int) -> pathlib.Path:
    """The file of a trained network."""
    return folder / f"{network}_{seed}.keras"


def build(network: str) -> Any:
    """A new network from standardized images to logits, with Keras's own norms."""
    import tensorflow as tf

    import evonorm_tf as en
    from trainers.models.efficientnet import efficientnet
    from trainers.models.inverted_bottleneck import InvertedBottleneckSpec, Stage
    from trainers.models.mobilenet_v2 import mobilenet_v2
    from trainers.models.resnet import ResNetSpec, resnet

    shared: dict[str, Any] = {
        "input_shape": (32, 32, 3),
        "num_classes": 10,
        "kernel_regularizer": tf.keras.regularizers.L2(_DECAY),
    }
    if network.startswith("resnet"):
        spec = ResNetSpec((2, 2, 2), bottleneck=False, filters=(16, 32, 64), stem="conv3")
        model = resnet(spec, "bn_relu", version=int(network[-1]), **shared)
    else:
        with_gates = network == "efficientnet"
        inverted = InvertedBottleneckSpec(
            stem_filters=16,
            stages=(Stage(1, 16, 3, 1, 1), Stage(2, 24, 3, 2, 6), Stage(3, 48, 3, 2, 6)),
            head_filters=256,
            se_ratio=0.25 if with_gates else 0.0,
            stem_strides=1,
        )
        make: Any = efficientnet if with_gates else mobilenet_v2
        norm_act = "bn_silu" if with_gates else "bn_relu"
        model = make(norm_act=norm_act, spec=inverted, dropout=0.0, **shared)
    return en.convert_model(model, "keras")[0]


def train(network: str, data: Any, epochs: int, seed: int) -> Any:
    """A trained network: random crops and flips, SGD with a cosine schedule."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    model = build(network)
    steps = epochs * (len(data.train) // _BATCH)
    rate = tf.keras.optimizers.schedules.CosineDecay(
        _RATE / _WARMUP, steps - _WARMUP, warmup_target=_RATE, warmup_steps=_WARMUP
    )
    model.compile(
        tf.keras.optimizers.SGD(rate, _MOMENTUM, nesterov=True),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        _batches(data.train, data, seed),
        epochs=epochs,
        steps_per_epoch=len(data.train) // _BATCH,
        validation_data=(standardized(data.test.images, data), data.test.labels),
        validation_batch_size=500,
        verbose=2,
    )
    return model


def standardized(images: Any, data: Any) -> Any:
    """Images as the networks take them."""
    return ((images - data.mean) / data.stddev).astype("float32")


def target_of(layer: str) -> Any:
    """What `convert_model` takes for a layer: its name, or the graph of a JSON file."""
    import evonorm_tf as en

    return en.LayerGraph.load(layer) if layer.endswith(".json") else layer


def settings_of(layer: str, groups: int) -> dict[str, Any]:
    """The arguments of a layer: the groups, if it has any."""
    import evonorm_tf as en

    target = target_of(layer)
    made = en.get(target) if isinstance(target, str) else en.GraphLayer(target)
    return {"groups": groups} if hasattr(made, "groups") else {}


def _batches(split: Any, data: Any, seed: int) -> Any:
    import tensorflow as tf

    def augmented(images: Any, labels: Any) -> tuple[Any, Any]:
        x = (tf.cast(images, tf.float32) - data.mean) / data.stddev
        x = tf.pad(x, [[0, 0], [_PAD, _PAD], [_PAD, _PAD], [0, 0]], "REFLECT")
        shape = tf.concat([tf.shape(images)[:1], [*split.images.shape[1:]]], 0)
        x = tf.image.random_flip_left_right(tf.image.random_crop(x, shape))
        return x, labels

    dataset = tf.data.Dataset.from_tensor_slices((split.images, split.labels))
    dataset = dataset.shuffle(len(split), seed=seed).repeat()
    return dataset.batch(_BATCH, drop_remainder=True).map(augmented).prefetch(2)


def main() -> None:
    """Trains what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()
    from trainers import data

    images = data.load("cifar10", options.data_dir)
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in range(options.seeds):
        for network in options.networks:
            path = path_of(options.out, network, seed)
            if not path.exists():
                print(f"{network}, seed {seed}", flush=True)
                train(network, images, options.epochs, seed).save(path)


if __name__ == "__main__":
    main()
