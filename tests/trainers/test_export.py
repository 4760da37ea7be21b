"""Export, evaluate, predict and results, on one model that was trained for four steps."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.datasets import load_digits

from tests.trainers import tiny
from trainers import results, train
from trainers.classification import class_names, evaluate, export, predict
from trainers.classification.task import ClassificationTask
from trainers.data import digits
from trainers.engine import parameters, restoring
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS

pytestmark = pytest.mark.slow


def restore(folder):
    return restoring.restore(folder, ClassificationTask)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("trained") / "run")
    params = tiny.config("evonorm_b0")
    params.trainer.validation_interval = 2
    return folder, train.run(params, "train_and_eval", folder)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("exported"))
    export.export(trained[0], folder)
    return folder


@pytest.fixture(scope="module")
def expected(trained):
    """Test images, and their logits by the restored model."""
    images = digits.load().test.images[:7]
    _, task, model = restore(trained[0])
    return images, task.logits(images, model, training=False).numpy()


def test_a_training_that_recomputes_exports_the_same_model(trained, exported, tmp_path):
    """Its checkpoint goes into a network that keeps the outputs of norm-act layers."""
    params = tiny.config("evonorm_b0")
    params.task.recompute = True
    folder = str(tmp_path / "run")
    train.run(params, "train", folder)
    export.export(folder, str(tmp_path / "exported"))
    loaded = [
        tf.keras.models.load_model(f"{path}/model.keras")
        for path in (exported, tmp_path / "exported")
    ]
    for actual, expected in zip(*(model.get_weights() for model in loaded), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-5)


def test_the_saved_model_serves_uint8_images(exported, expected):
    images, logits = expected
    served = tf.saved_model.load(f"{exported}/saved_model").signatures["serving_default"]
    assert served.structured_input_signature[1]["images"].dtype == tf.uint8
    result = served(images=tf.constant(images))
    np.testing.assert_allclose(result["logits"], logits, rtol=1e-4, atol=1e-5)
    shares = np.exp(logits.astype(np.float64))
    shares /= shares.sum(-1, keepdims=True)
    np.testing.assert_allclose(result["probabilities"], shares, rtol=1e-4)
    assert [name.decode() for name in result["label"].numpy()] == [
        str(label) for label in logits.argmax(-1)
    ]


def test_the_saved_model_serves_jpeg(exported, trained):
    image = digits.load().test.images[0]
    encoded = tf.io.encode_jpeg(image, format="grayscale").numpy()
    decoded = tf.io.decode_jpeg(encoded, channels=1).numpy()
    _, task, model = restore(trained[0])
    logits = task.logits(decoded[None], model, training=False)
    served = tf.saved_model.load(f"{exported}/saved_model").signatures["jpeg"]
    result = served(encoded=tf.constant([encoded, encoded]))
    assert result["logits"].shape == (2, 10)
    np.testing.assert_allclose(result["logits"][1], logits[0], rtol=1e-4, atol=1e-5)


def test_the_keras_file_takes_pixels(exported, expected):
    images, logits = expected
    model = tf.keras.models.load_model(f"{exported}/model.keras")
    np.testing.assert_allclose(model(images.astype(np.float32)), logits, rtol=1e-4, atol=1e-5)


def test_evaluate_gives_what_the_training_measured(trained):
    folder, metrics = trained
    found = evaluate.evaluate(folder)
    assert found == pytest.approx(metrics, rel=1e-5)
    assert evaluate.evaluate(folder, split="test")["images"] == 360
    first = tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths[0]
    assert evaluate.evaluate(folder, checkpoint=first) != found


def test_predict_reads_image_files(trained, expected, tmp_path):
    images, logits = expected
    files = [str(tmp_path / f"{i}.png") for i in range(len(images))]
    for file, image in zip(files, images, strict=True):
        tf.io.write_file(file, tf.io.encode_png(image))
    found = predict.predict(trained[0], files)
    np.testing.assert_allclose(found.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(found.argmax(-1), logits.argmax(-1))


def test_pixels_of_files_are_the_training_pixels(trained, tmp_path):
    # White is 255 in a file, whatever scikit-learn counts.
    images = digits.load().test.images
    assert (images.min(), images.max()) == (0, 255)
    shades = load_digits().images[:5, ..., None]
    files = [str(tmp_path / f"{i}.png") for i in range(len(shades))]
    for file, image in zip(files, shades, strict=True):
        tf.io.write_file(file, tf.io.encode_png(np.rint(255 * image / 16).astype(np.uint8)))
    _, task, model = restore(trained[0])
    probabilities = tf.nn.softmax(task.logits(255 * shades / 16, model, training=False))
    np.testing.assert_allclose(predict.predict(trained[0], files), probabilities, atol=5e-3)


def test_folders_have_the_names_of_the_classes(trained, exported, tmp_path):
    for folder in (trained[0], exported):
        assert class_names.read(folder, 10) == [str(digit) for digit in range(10)]
    class_names.write(str(tmp_path), ["cat", "dog"])
    names = class_names.read(str(tmp_path), 2)
    assert predict.line("x.png", np.array([0.25, 0.75]), names, top=2) == (
        "x.png dog:0.7500 cat:0.2500"
    )
    assert class_names.read(str(tmp_path), 3) == ["0", "1", "2"]


@pytest.mark.parametrize("content", [None, b"no image"])
def test_predict_names_a_file_that_is_no_image(trained, tmp_path, content):
    file = tmp_path / "odd.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TrainersError, match=r"odd\.jpg cannot be read as an image"):
        predict.predict(trained[0], [str(file)])


def test_results_have_the_last_step_and_the_curves(trained, tmp_path):
    folder, metrics = trained
    run = results.read(folder)
    assert sorted(run.loss) == [1, 2, 3, 4]
    assert sorted(run.accuracy) == [2, 4]
    assert run.accuracy[4] == pytest.approx(metrics["accuracy"])
    row = results.table([run]).splitlines()[-1]
    accuracy = f"{100 * metrics['accuracy']:.1f}"
    assert row == f"| run | tiny | evonorm_b0 | 8 | 4/4 | {accuracy} | - |"
    results.plot([run], tmp_path / "curves.png")
    assert tf.io.decode_png((tmp_path / "curves.png").read_bytes()).shape[0] > 300


def test_results_have_the_mean_over_seeds(trained):
    run = results.read(trained[0])
    other, unfinished, larger = (
        dataclasses.replace(run, params=tiny.config("evonorm_b0")) for _ in "123"
    )
    for each, seed in ((other, 1), (unfinished, 2), (larger, 3)):
        each.params.task.seed = each.params.task.train_data.seed = seed
    other = dataclasses.replace(other, accuracy={4: run.accuracy[4] + 0.1})
    unfinished = dataclasses.replace(unfinished, accuracy={2: 1.0})
    larger.params.task.train_data.global_batch_size = 16
    assert "seeds" not in results.table([run, unfinished, larger])
    row = results.table([run, larger, unfinished, other]).splitlines()[-1]
    mean = 100 * run.accuracy[4] + 5
    half_width = stats.t.ppf(0.975, 1) * 5
    assert row == f"| tiny | evonorm_b0 | 8 | 2 | {mean:.1f} ± {half_width:.1f} | - |"


def test_results_find_the_papers_figure(trained):
    run = results.read(trained[0])
    params = EXPERIMENTS["imagenet_resnet50_aug_evonorm_b0"].build()
    params.task.train_data.data_dir = "/elsewhere"
    cell = results.Run("x", params, run.loss, run.accuracy)
    assert cell.paper == "77.7 (table 3)"
    params.task.seed = params.task.train_data.seed = 1
    assert cell.paper == "77.7 (table 3)"
    params.trainer.train_steps -= 1
    assert cell.paper == "-"


@pytest.mark.parametrize("command", [results.read, restore, evaluate.evaluate])
def test_a_folder_without_a_run_is_an_error(command, tmp_path):
    with pytest.raises(TrainersError, match=r"params\.yaml"):
        command(str(tmp_path))


def test_a_folder_without_checkpoint_is_an_error(trained, tmp_path):
    shutil.copy(f"{trained[0]}/params.yaml", tmp_path)
    with pytest.raises(TrainersError, match="holds no checkpoint"):
        restore(str(tmp_path))


def test_params_yaml_holds_the_whole_configuration(trained):
    params = parameters.load(f"{trained[0]}/params.yaml")
    assert params.task.model.network == "tiny"
    assert params.trainer.validation_interval == 2
    assert json.dumps(params.as_dict())
