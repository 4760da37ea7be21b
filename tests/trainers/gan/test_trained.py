"""Evaluation, resume, export and samples, on one GAN trained for four steps."""

import glob

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.gan import tiny
from tests.trainers.short import restored
from trainers import train
from trainers.data import loading
from trainers.errors import TrainersError
from trainers.gan import data, export, features, metrics, sample, sampling

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The model's folder, its configuration, and the metrics of its evaluation."""
    folder = str(tmp_path_factory.mktemp("trained"))
    params = tiny.config("evonorm_b0")
    return folder, params, train.run(params, "train_and_eval", folder)


def test_evaluation_is_the_metrics_of_samples_and_images(trained):
    folder, params, found = trained
    task, model = restored(folder, params)
    sampler = task.sampler(model)
    sampler.set_standing_statistics(2)
    network = features.feature_network("digits")
    fake, probabilities = network(sampler.images(100))
    real, _ = network(data.scaled(loading.load("digits").test.images, params.task.model))
    expected = metrics.frechet_inception_distance(real.numpy(), fake.numpy())
    assert found["fid"] == pytest.approx(expected, rel=1e-3)
    expected = metrics.inception_score(probabilities.numpy())
    assert found["inception_score"] == pytest.approx(expected, rel=1e-3)
    assert found["samples"] == 100


def test_tensorboard_gets_the_samples(trained):
    folder, params, _ = trained
    (file,) = glob.glob(f"{folder}/samples/*")
    pictures = [
        value.tensor.string_val[2]
        for event in tf.compat.v1.train.summary_iterator(file)
        for value in event.summary.value
        if value.tag == "samples"
    ]
    assert len(pictures) == 1
    task, model = restored(folder, params)
    sampler = task.sampler(model)
    sampler.set_standing_statistics(2)
    expected = sampling.grid(sampler.images(100), 10)
    shown = tf.io.decode_png(pictures[0]).numpy()
    assert np.abs(shown.astype(int) - expected).max() <= 1


def test_a_training_that_goes_on_equals_one_that_never_stopped(trained, tmp_path):
    folder, params, found = trained
    halved = tiny.config("evonorm_b0", train_steps=2)
    train.run(halved, "train_and_eval", str(tmp_path))  # evaluation leaves no trace either
    assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-2")
    assert train.run(params, "train_and_eval", str(tmp_path)) == found
    _, straight = restored(folder, params)
    _, stopped = restored(str(tmp_path), params)
    for a, b in zip(straight.get_weights(), stopped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_layer_in_the_folder_is_an_error(trained):
    with pytest.raises(TrainersError, match=r"model_dir.*norm_act='evonorm_b0'"):
        train.run(tiny.config("evonorm_s0"), "train", trained[0])


def test_the_saved_model_serves_bytes(trained, tmp_path):
    export.export(trained[0], str(tmp_path))
    served = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    noise, labels = sampling.noise((5, 4), [3, 4]), tf.constant([9, 0, 1, 2, 2])
    found = served(noise=noise, labels=labels)["images"]
    assert found.dtype == tf.uint8 and found.shape == (5, 8, 8, 1)
    _, _, model = export.restore(trained[0])
    pixels = (model([noise, labels]).numpy().astype(np.float64) + 1) * 127.5
    assert np.abs(found.numpy() - pixels).max() <= 1.0


@pytest.mark.nightly
def test_samples_have_a_column_for_each_class(trained, tmp_path):
    image = sample.draw(trained[0], rows=3)
    assert image.shape == (3 * 9 - 1, 10 * 9 - 1, 1)
    _, task, model = export.restore(trained[0])
    expected = sampling.to_uint8(task.sampler(model).images(30)).numpy()
    np.testing.assert_array_equal(image[9:17, 18:26], expected[12])
    truncated = sample.draw(trained[0], rows=3, truncation=0.1).astype(float)
    # How much the images of a column differ.
    first, second = (grid[:8] - grid[9:17] for grid in (truncated, image.astype(float)))
    assert np.abs(first).mean() < np.abs(second).mean()
    assert sample.save(image, 8, str(tmp_path / "x.png")) == (4 * 26, 4 * 89)
    shown = tf.io.decode_png((tmp_path / "x.png").read_bytes()).numpy()
    np.testing.assert_array_equal(shown[::4, ::4], image)
    with pytest.raises(TrainersError, match=r"`rows` must be at least 1.*rows=0"):
        sample.draw(trained[0], rows=0)


def test_a_folder_without_a_gan_is_an_error(tmp_path):
    with pytest.raises(TrainersError, match=r"params\.yaml"):
        export.restore(str(tmp_path))
