"""Model files and applications of Keras as anchors: their places become searched layers."""

import dataclasses
import operator

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat
from search import cli
from search.errors import SearchError
from search.evaluation import networks
from search.evaluation.anchor_trainer import AnchorTrainer
from search.presets import preset
from search.storage.store import Store
from tests.search import own_data
from tests.search.test_own_runs import make_run, refused
from tests.tiers import tiered
from trainers.data import arrays

L = tf.keras.layers
SETTINGS = dataclasses.replace(preset("smoke").evaluation, steps=2, batch_size=8)


@pytest.fixture(scope="module")
def images():
    x, y = own_data.arrays(classes=3)
    return arrays.to_image_data({"x_train": x, "y_train": y})


def a_model(classes=3, add=operator.add):
    """BN-ReLU, BN alone in a model of its own, LN alone, a BN over rows, scaling, a softmax."""
    inputs = tf.keras.Input((6, 9, 3))
    x = L.Normalization(mean=[9.0] * 3, variance=[4.0] * 3)(L.Rescaling(1 / 255)(inputs))
    x = L.Conv2D(4, 3, use_bias=False, name="first")(x)
    x = L.ReLU()(L.BatchNormalization(name="bn")(x))
    block = tf.keras.Sequential([L.InputLayer((4, 7, 4)), L.BatchNormalization(name="alone")])
    x = L.LayerNormalization(name="ln")(add(x, block(x)))
    x = L.BatchNormalization(axis=1, name="rows")(x)
    x = L.Conv2D(4, 1, name="frozen", trainable=False)(x)
    x = L.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, L.Dense(classes, activation="softmax")(x), name="mine")


@pytest.fixture(scope="module")
def saved():
    tf.keras.utils.set_random_seed(7)
    return a_model()


@pytest.fixture
def path(tmp_path, saved):
    saved.save(tmp_path / "mine.keras")
    return str(tmp_path / "mine.keras")


def test_the_places_of_a_file(path, images):
    assert networks.check_own(path, images, SETTINGS) == {
        "searched": ["bn", "ln"],
        "affine": ["alone"],
        "kept": ["rows (it normalizes over axis 1; searched layers have their channels last)"],
    }


def test_a_file_in_the_older_form(tmp_path, images):
    # Keras 3 cannot load a sum of tensors from it, but a layer that adds.
    a_model(add=lambda x, y: L.Add()([x, y])).save(tmp_path / "mine.h5")
    places = networks.check_own(str(tmp_path / "mine.h5"), images, SETTINGS)
    assert places["searched"] == ["bn", "ln"] and places["affine"] == ["alone"]


def test_a_saved_model_is_for_keras_2_alone(tmp_path, saved, images):
    path = str(tmp_path / "folder")
    if compat.IS_KERAS_3:
        saved.export(path)
        with pytest.raises(SearchError, match="loading it raised ValueError: File format not supp"):
            networks.check_own(path, images, SETTINGS)
    else:
        saved.save(path)
        places = networks.check_own(path, images, SETTINGS)
        assert places["searched"] == ["bn", "ln"] and places["affine"] == ["alone"]


def test_the_network_of_a_file_computes_logits_of_normalized_images(path, saved):
    x = np.random.default_rng(0).normal(size=(2, 6, 9, 3)).astype(np.float32)
    model = networks.build(path, None, SETTINGS, seed=3)
    assert not any(isinstance(layer, (L.Rescaling, L.Normalization)) for layer in model.layers)
    logits = model(x, training=False)
    features = tf.keras.Model(model.input, model.layers[-2].output)(x, training=False)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(logits, features @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_new_weights_are_drawn_from_the_seed_but_frozen_ones_are_kept(path, saved):
    def kernels(seed):
        model = networks.build(path, None, SETTINGS, seed)
        return [model.get_layer(name).get_weights()[0] for name in ("first", "frozen")]

    one, again, other = kernels(3), kernels(3), kernels(4)
    old = [saved.get_layer(name).get_weights()[0] for name in ("first", "frozen")]
    np.testing.assert_array_equal(one[0], again[0])
    assert (one[0] != other[0]).all() and (one[0] != old[0]).all()
    for frozen in (one[1], other[1]):
        np.testing.assert_array_equal(frozen, old[1])


def test_a_file_is_trained_with_a_graph_and_with_a_baseline(path, images):
    trainer = AnchorTrainer(path, images, SETTINGS, seed=0)
    trainer.start(en.registry.graph("evonorm_b0"))
    assert trainer.train(0, 2) and 0 <= trainer.accuracy(images.validation) <= 1
    assert np.isfinite(trainer.largest_gradient()[0])
    model = networks.build(path, images, SETTINGS, 0, norm_act="bn_relu")
    found = {layer.name: layer for layer in model._flatten_layers()}
    assert isinstance(found["bn"], en.BatchNormReLU) and found["bn"].nonlinearity
    assert isinstance(found["ln"], en.BatchNormReLU) and found["ln"].nonlinearity
    assert not found["alone"].nonlinearity
    assert found["bn"].momentum == en.BatchNormReLU().momentum  # not the file's


def without_norms():
    layers = [L.InputLayer((6, 9, 3)), L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(3)]
    return tf.keras.Sequential(layers)


def with_python():
    layers = [L.InputLayer((6, 9, 3)), L.Lambda(lambda x: 2 * x), L.Flatten(), L.Dense(3)]
    return tf.keras.Sequential(layers)


def with_two_outputs():
    inputs = tf.keras.Input((6, 9, 3))
    return tf.keras.Model(inputs, [L.Flatten()(inputs), L.ReLU()(inputs)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_two_outputs, "converting it raised ValueError: the model must have one output. Rec"),
        (lambda: a_model(4), r"must have 3 logits for each example, .*Received: \(2, 4\)"),
        (without_norms, "searched layer, in place of a normalization .* a network without one"),
        (with_python, "loading it raised ValueError: .* `?Lambda`? layer .*module:function can"),
        (lambda: None, "loading it raised .*module:function can make any network"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, images, make, message):
    path, model = tmp_path / "mine.keras", make()
    if model is None:
        path.write_bytes(b"no model")
    else:
        model.save(path)
    with pytest.raises(SearchError, match=message) as error:
        networks.check_own(str(path), images, SETTINGS)
    assert str(error.value).startswith(f"evaluation.anchors cannot be '{path}': ")
    assert "\n" not in str(error.value)


def test_a_file_must_take_images_of_the_data(path):
    x, y = own_data.arrays(size=(5, 5, 3), classes=3)
    odd = arrays.to_image_data({"x_train": x, "y_train": y})
    with pytest.raises(SearchError, match=r"must take images of shape \(5, 5, 3\)"):
        networks.check_own(path, odd, SETTINGS)


@pytest.fixture(scope="module")
def larger():
    x, y = own_data.arrays(size=(32, 32, 3), classes=3)
    return arrays.to_image_data({"x_train": x, "y_train": y})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ResNet5", "there is no network ResNet5 in tf.keras.applications"),
        ("resnet50", "there is no network resnet50 in tf.keras.applications"),
        ("VGG16", "must have a searched layer, in place of a normalization"),
    ],
)
def test_applications_that_cannot_be_used(larger, name, message):
    with pytest.raises(SearchError, match=message):
        networks.check_own(f"tf.keras.applications.{name}", larger, SETTINGS)


def test_an_application_has_a_least_size(images):
    with pytest.raises(SearchError, match=r"raised ValueError: Input size must be at least 32x32"):
        networks.check_own("tf.keras.applications.ResNet50V2", images, SETTINGS)


# The number of searched and of affine places, and the crop.
APPLICATIONS = {
    "MobileNetV2": (35, 17, 24),
    "ResNet50V2": (49, 0, 24),
    "EfficientNetB0": (33, 16, 24),
    "ConvNeXtTiny": (22, 0, None),
}


@pytest.mark.parametrize("name", tiered(APPLICATIONS, everyday=["MobileNetV2"], slow=()))
def test_an_application_takes_any_number_of_classes_and_mostly_crops(larger, name):
    *counts, crop = APPLICATIONS[name]
    settings = dataclasses.replace(SETTINGS, crop=crop)
    places = networks.check_own(f"tf.keras.applications.{name}", larger, settings)
    assert [len(places[kind]) for kind in ("searched", "affine")] == counts


def test_a_run_keeps_the_digest_of_a_file_and_asks_for_trust(capsys, tmp_path, monkeypatch, path):
    folder = make_run(tmp_path / "run", monkeypatch, f"evaluation.anchors={path}")
    with Store.open(folder) as store:
        (digest,) = store.meta("sources").values()
    for command in ("resume", "rerank"):
        line = refused(capsys, command, "--run-dir", folder)
        assert f"the run imports what '{path}' names. If you trust it, repeat it: --trust" in line
    with open(path, "ab") as file:
        file.write(b"changed")
    line = refused(capsys, "resume", "--run-dir", folder, "--trust", path)
    assert f"'{path}' has changed since the run was made: its SHA-256 was {digest}" in line


def test_the_digest_of_a_folder_sees_each_byte(tmp_path):
    from trainers.data import digest

    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"model")
    (tmp_path / "variables" / "data").write_bytes(b"one")
    before = digest.of_model(str(tmp_path))
    (tmp_path / "variables" / "data").write_bytes(b"two")
    assert digest.of_model(str(tmp_path)) != before


OBJECTIVE = """
def score(trained, split):
    return 100 * trained.accuracy(split) - 1000
"""


@pytest.mark.slow
def test_a_whole_search_in_a_file_by_an_objective(tmp_path, capsys, monkeypatch, path):
    """Its places are shown, and no score is shown as an accuracy."""
    x, y = own_data.arrays(120, classes=3)
    data = own_data.write_npz(tmp_path / "own.npz", x_train=x, y_train=y)
    name = own_data.write_module(tmp_path, monkeypatch, OBJECTIVE, "objective_module") + ":score"
    settings = ["method.max_candidates=4", "evaluation.quality_ratio=0", "rerank.top_k=2"]
    settings += ["evaluation.steps=4", "rerank.steps=2", "evaluation.stability_test=false"]
    settings += ["evaluation.free_rejections=false", f"evaluation.objective={name}"]
    settings += [f"evaluation.data={data}", f"evaluation.anchors={path}"]
    options = [option for setting in settings for option in ("--set", setting)]
    folder = tmp_path / "run"
    options += ["--preset", "smoke", "--workers", "1"]
    assert cli.main(["run", "--run-dir", str(folder), *options]) == 0
    output = capsys.readouterr()
    shown = f"{path}\n  2 searched: bn, ln\n  1 x * gamma + beta: alone\n  1 left as they are: rows"
    assert shown in output.err
    assert "near chance" not in output.out and "best of the search: -9" in output.out
    with Store.open(folder) as store:
        (baseline,) = store.baselines()
        assert set(baseline.scores) == {path} and -1000 <= baseline.fitness <= -900
        assert not any(row.status == "failed" for row in store.candidates())
        assert all(-1000 <= entry["mean"] <= -900 for entry in store.meta("comparison"))
    text = (folder / "report.html").read_text()
    assert "2 searched: bn, ln; 1 x * gamma" in text
    assert f"Score by {name}, higher is better" in text
    assert not any(word in text for word in ("near chance", "percentage points", "alidation acc"))
