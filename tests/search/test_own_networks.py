"""Networks of a user's own: they are trained as the anchors are, and refused in one line."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from search.errors import SearchError
from search.evaluation import networks
from search.evaluation.anchor_trainer import AnchorTrainer
from search.presets import preset
from tests.search import own_data
from trainers.data import arrays
from trainers.models.anchors import ANCHORS
from trainers.models.kernels import kernels

SETTINGS = dataclasses.replace(preset("smoke").evaluation, steps=3, batch_size=8)
NETWORK = "stranger_module:build"
WRONG = """
import tensorflow as tf

L = tf.keras.layers

def network(input_shape, outputs, layers, dtype="float32"):
    model = tf.keras.Sequential([L.InputLayer(input_shape), *layers, L.GlobalAveragePooling2D()])
    model.add(L.Dense(outputs, dtype=dtype))
    return model

def plain(norm_act, num_classes, input_shape):
    return network(input_shape, num_classes, [L.Conv2D(4, 3), L.ReLU()])

def more(norm_act, num_classes, input_shape):
    return network(input_shape, num_classes + 1, [norm_act()])

def half(norm_act, num_classes, input_shape):
    return network(input_shape, num_classes, [norm_act()], "float16")

def maps(norm_act, num_classes, input_shape):
    return tf.keras.Sequential([L.InputLayer(input_shape), L.Conv2D(num_classes, 1), norm_act()])

def flat(norm_act, num_classes, input_shape):
    layers = [L.InputLayer((5, 5, 3)), norm_act(), L.Flatten(), L.Dense(num_classes)]
    return tf.keras.Sequential(layers)

def none(norm_act, num_classes, input_shape):
    pass

def fewer(norm_act):
    pass
"""


@pytest.fixture(scope="module")
def images():
    x, y = own_data.arrays(classes=3)
    return arrays.to_image_data({"x_train": x, "y_train": y})


def test_a_network_is_trained_with_one_layer_after_another(tmp_path, monkeypatch, images):
    own_data.write_module(tmp_path, monkeypatch)
    networks.check_own(NETWORK, images, SETTINGS)
    trainer = AnchorTrainer(NETWORK, images, SETTINGS, seed=0)
    assert len(networks.searched_layers(trainer.model)) == 1
    # The block's kernel, in a model of its own, decays like the other one.
    assert [kernel.shape.rank for kernel in kernels(trainer.model)] == [4, 2]
    weights = []
    for name in ("evonorm_b0", "evonorm_s0"):
        trainer.start(en.registry.graph(name))
        assert trainer.train(0, 3)
        weights.append(trainer.model.get_weights())
    assert not all(map(np.array_equal, *weights))
    assert 0 <= trainer.accuracy(images.validation) <= 1


@pytest.mark.parametrize(
    ("anchor", "filters"), [("resnet50_cifar", 64), ("mobilenet_v2_cifar", 32), ("resnet_small", 8)]
)
def test_no_width_is_the_full_one(anchor, filters, images):
    settings = dataclasses.replace(SETTINGS, crop=None)
    model = networks.build(anchor, images, settings, 0, norm_act="evonorm_b0", width=None)
    assert model.get_layer("stem_conv").filters == filters


def test_a_baseline_takes_the_same_places(tmp_path, monkeypatch, images):
    own_data.write_module(tmp_path, monkeypatch)
    model = networks.build(NETWORK, images, SETTINGS, 0, norm_act="evonorm_s0")
    assert any(isinstance(layer, en.EvoNormS0) for layer in model._flatten_layers())


@pytest.mark.parametrize("layer", ["gn_relu", "evonorm_s0"])
def test_a_baseline_has_the_groups_of_the_candidates(images, layer):
    settings = dataclasses.replace(SETTINGS, groups=2)
    model = networks.build("resnet_small", images, settings, 0, norm_act=layer)
    found = [each for each in model._flatten_layers() if isinstance(each, en.get(layer).__class__)]
    assert found
    assert {each.groups for each in found} == {2}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("plain", "must have a searched layer, which norm_act.* Received: a network without one"),
        ("more", r"must have 3 logits for each example, .*Received: \(2, 4\)"),
        ("maps", r"must have 3 logits for each example, .*Received: \(2, 6, 9, 3\)"),
        ("half", "the logits must be float32. Received: float16"),
        ("flat", r"must take images of shape \(6, 9, 3\). Calling it raised ValueError: "),
        ("none", "must return a tf.keras.Model. Received: NoneType of builtins"),
        ("fewer", "calling fewer raised TypeError: .*unexpected keyword argument 'num_classes'"),
        ("missing", "a function of the module wrong_module. Received: 'missing'"),
    ],
)
def test_networks_that_cannot_be_used(tmp_path, monkeypatch, images, function, message):
    name = f"{own_data.write_module(tmp_path, monkeypatch, WRONG, 'wrong_module')}:{function}"
    with pytest.raises(SearchError, match=message) as error:
        networks.check_own(name, images, SETTINGS)
    assert str(error.value).startswith(f"evaluation.anchors cannot be '{name}': ")
    assert "\n" not in str(error.value)


def test_a_network_must_take_crops_and_whole_images(tmp_path, monkeypatch, images):
    own_data.write_module(tmp_path, monkeypatch, WRONG, "wrong_module")
    settings = dataclasses.replace(SETTINGS, crop=5)
    with pytest.raises(SearchError, match=r"must take images of shape \(6, 9, 3\)"):
        networks.check_own("wrong_module:flat", images, settings)


@pytest.mark.parametrize("anchor", [name for name in ANCHORS if name.endswith("_small")])
def test_the_small_anchors_fit_images_of_any_shape(anchor):
    for size in ((1, 1, 5), (7, 30, 2)):
        x, y = own_data.arrays(60, size, classes=4)
        odd = arrays.to_image_data({"x_train": x, "y_train": y})
        model = networks.build(anchor, odd, SETTINGS, seed=0)
        assert model(tf.zeros((2, *size))).shape == (2, 4)
