"""Inputs that are no images: series, volumes and tokens, with the worked examples."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from search import cli
from search.errors import SearchError
from search.evaluation import images as run_images
from search.evaluation import networks
from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.exchangeable_layer import ExchangeableLayer, exchangeable
from search.presets import preset
from search.storage.store import Store
from tests.tiers import tiered
from trainers.data import arrays
from trainers.errors import TrainersError

EXAMPLES = {"series": (8, 8), "volumes": (8, 8, 8, 1), "tokens": (16,)}
RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 2


def settings(inputs):
    changes = {"inputs": inputs, "steps": 4, "batch_size": 16}
    changes["data"] = f"search.examples.{inputs}:load"
    changes["anchors"] = (f"search.examples.{inputs}:build",)
    return dataclasses.replace(preset("smoke").evaluation, **changes)


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request):
    chosen = settings(request.param)
    return chosen, run_images.load_data(chosen)


def test_an_example_is_checked_and_trained(example):
    chosen, loaded = example
    assert loaded.train.images.shape[1:] == EXAMPLES[chosen.inputs]
    run_images.check_fit(loaded, chosen)
    networks.check_own(chosen.anchors[0], loaded, chosen)
    trainer = AnchorTrainer(chosen.anchors[0], loaded, chosen, seed=0)
    trainer.start(en.registry.graph("evonorm_b0"))
    assert trainer.train(0, 4) and 0 <= trainer.accuracy(loaded.validation) <= 1
    assert np.isfinite(trainer.largest_gradient()[0])


def test_what_a_network_gets(example):
    chosen, loaded = example
    trainer = AnchorTrainer(chosen.anchors[0], loaded, chosen, seed=0)
    x = trainer.prepared(tf.constant(loaded.train.images)).numpy()
    if chosen.inputs == "tokens":
        assert x.dtype == np.int32
        np.testing.assert_array_equal(x, loaded.train.images)
        return
    assert x.dtype == np.float32
    axes = tuple(range(x.ndim - 1))
    varies = loaded.train.images.reshape(-1, x.shape[-1]).std(0) > 0
    np.testing.assert_allclose(x.mean(axes, np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axes, dtype=np.float64), varies, rtol=1e-4)


@pytest.mark.parametrize("shape", [(4, 6, 8), (3, 2, 2, 3, 8)])
@pytest.mark.parametrize("name", ["evonorm_b0", "evonorm_s0", "ln_relu_by_hand"])
def test_searched_layers_of_other_ranks_equal_graph_layers(shape, name):
    x = tf.constant(RNG.normal(size=shape).astype(np.float32))
    by_hand = en.LayerGraph((en.Node("STD", (0,), "WHC"), en.Node("DIV", (0, 4))))
    graph = by_hand if name == "ln_relu_by_hand" else en.registry.graph(name)
    searched, plain = ExchangeableLayer(groups=4), en.GraphLayer(graph, groups=4)
    searched.build(shape)
    searched.start(exchangeable(graph))
    found = []
    for layer in (searched, plain):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        found.append([y, tape.gradient(loss, x), layer(x, training=False)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=5e-6)
    if name == "ln_relu_by_hand":  # index sets of rank 3 and 5, by NumPy
        exact = x.numpy().astype(np.float64)
        variance = exact.var(axis=tuple(range(1, exact.ndim)), keepdims=True)
        np.testing.assert_allclose(found[0][0], exact / np.sqrt(variance + 1e-5), atol=2e-6)


def split(inputs, x):
    return arrays.to_image_data({"x_train": x, "y_train": LABELS}, inputs)


@pytest.mark.parametrize(
    ("inputs", "shape", "expected"),
    [
        ("series", (40, 5), (5, 1)),
        ("series", (40, 5, 3), (5, 3)),
        ("volumes", (40, 2, 3, 4), (2, 3, 4, 1)),
        ("volumes", (40, 2, 3, 4, 2), (2, 3, 4, 2)),
        ("images", (40, 5, 3), (5, 3, 1)),
    ],
)
def test_the_shapes_of_inputs(inputs, shape, expected):
    assert split(inputs, RNG.normal(size=shape)).train.images.shape[1:] == expected


def test_tokens_stay_whole_numbers():
    loaded = split("tokens", RNG.integers(0, 300, (40, 6), dtype=np.int64))
    assert loaded.train.images.dtype == np.int32 and loaded.train.images.max() > 255
    assert loaded.mean == 0 and loaded.stddev == 1
    again = loaded.held_out(0.5, seed=1)
    assert again.train.images.dtype == np.int32 and again.stddev == 1


@pytest.mark.parametrize(
    ("inputs", "x", "message"),
    [
        ("series", np.zeros(40), r"of shape \(count, length, channels\), .* \(count, length\)"),
        ("volumes", np.zeros((40, 3, 3)), r"\(count, depth, height, width, channels\)"),
        ("tokens", np.zeros((40, 3, 3), int), r"shape \(count, length\), none of them 0. Rec"),
        ("tokens", np.zeros((40, 3)), "must be tokens, whole numbers from 0 .*float64 from 0.0"),
        ("tokens", np.full((40, 3), -1), "must be tokens, .*Received: int64 from -1 to -1"),
        ("series", np.full((40, 3), np.nan), "in 40 of 40 series, first in series 0"),
    ],
)
def test_inputs_that_cannot_be_used(inputs, x, message):
    with pytest.raises(TrainersError, match=message):
        split(inputs, x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 4}, "evaluation.crop cannot be 4: it is for images, and evaluation.inputs is 's"),
        ({"image_size": 8}, "evaluation.image_size cannot be 8: it is for images"),
        ({"anchors": ("resnet_small",)}, "anchors cannot be 'resnet_small': it takes images, and"),
        ({"data": "digits"}, "data cannot be 'digits': it has images, and series come from"),
    ],
)
def test_settings_for_images_alone(changes, message):
    with pytest.raises(SearchError, match=message):
        run_images.load_data(dataclasses.replace(settings("series"), **changes))


@pytest.mark.parametrize("inputs", tiered(EXAMPLES, slow=["series"]))
def test_a_search_in_an_example_learns(tmp_path, inputs):
    """The commands of the examples, with a budget of a few candidates."""
    chosen = {
        "evaluation.inputs": inputs,
        "evaluation.data": f"search.examples.{inputs}:load",
        "evaluation.anchors": f"search.examples.{inputs}:build",
        "evaluation.learning_rate": 0.03 if inputs == "tokens" else 0.1,
        "evaluation.steps": 100,
        "method.max_candidates": 3,
    }
    options = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    options += ["--preset", "smoke", "--workers", "1", "--no-final"]
    assert cli.main(["run", "--run-dir", str(tmp_path / "run"), *options]) == 0
    with Store.open(tmp_path / "run") as store:
        (baseline,) = store.baselines()
        assert baseline.fitness > 0.3  # ten classes
        assert not any(row.status == "failed" for row in store.candidates())
