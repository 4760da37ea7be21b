"""Inception Score and FID on cases with a closed form; the feature networks."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

import trainers  # noqa: F401

# isort: split
from trainers.data import loading
from trainers.errors import TrainersError
from trainers.gan import data, features, metrics, real_scores
from trainers.gan.config import GanModelConfig


def test_one_hot_shares_of_all_classes_score_their_number():
    assert metrics.inception_score(np.eye(7)[np.arange(70) % 7]) == pytest.approx(7.0)


def test_equal_shares_score_one():
    assert metrics.inception_score(np.full((12, 5), 0.2)) == pytest.approx(1.0)
    assert metrics.inception_score(np.eye(5)[[2] * 9]) == pytest.approx(1.0)


def test_the_score_of_two_images_by_hand():
    # Each has KL(p | (1/2, 1/2)) = ln 2 + 0.9 ln 0.9 + 0.1 ln 0.1.
    kl = np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)
    found = metrics.inception_score(np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert found == pytest.approx(np.exp(kl), rel=1e-12)


@pytest.mark.parametrize("wrong", [np.ones((2, 2)), np.array([[1.5, -0.5]]), np.ones(3)])
def test_what_is_no_probability_is_an_error(wrong):
    with pytest.raises(ValueError, match="`probabilities` must"):
        metrics.inception_score(wrong)


def random_covariance(rng, size):
    root = rng.normal(size=(size, size))
    return root @ root.T


def test_the_distance_of_gaussians_with_diagonal_covariances():
    """|m1 - m2|^2 + sum (s1 - s2)^2, with standard deviations s."""
    mean1, mean2 = np.array([1.0, 2.0, 0.0]), np.array([0.0, 2.0, 2.0])
    deviations1, deviations2 = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5, 0.0])
    found = metrics.frechet_distance(mean1, np.diag(deviations1**2), mean2, np.diag(deviations2**2))
    assert found == pytest.approx(5.0 + 1.5**2 + 3.0**2, rel=1e-12)


def test_the_distance_is_that_of_the_matrix_square_root():
    rng = np.random.default_rng(0)
    first, second = random_covariance(rng, 6), random_covariance(rng, 6)
    means = rng.normal(size=(2, 6))
    root = scipy.linalg.sqrtm(first @ second).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(first + second - 2 * root)
    found = metrics.frechet_distance(means[0], first, means[1], second)
    assert found == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(means[0], first, means[0], first) == pytest.approx(0, abs=1e-8)


def test_shifted_and_stretched_features():
    """From x to a x + b: |(1 - a) m - b|^2 + (1 - a)^2 tr C."""
    features_ = np.random.default_rng(0).normal(size=(50, 4)) * [1.0, 2.0, 0.5, 0.1] + 3.0
    offset = np.array([1.0, 0.0, -2.0, 0.5])
    mean, trace = features_.mean(0), np.trace(np.cov(features_, rowvar=False))
    expected = ((-mean - offset) ** 2).sum() + trace
    found = metrics.frechet_inception_distance(features_, 2 * features_ + offset)
    assert found == pytest.approx(expected, rel=1e-9)


def test_fewer_images_than_features_do_no_harm():
    few = np.random.default_rng(0).normal(size=(5, 40))
    assert metrics.frechet_inception_distance(few, few) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(np.ones((1, 3)), r"`fake`.*at least two"), (np.full((4, 3), np.nan), "`fake`.*finite")],
)
def test_features_that_have_no_gaussian_are_an_error(wrong, message):
    with pytest.raises(ValueError, match=message):
        metrics.frechet_inception_distance(np.eye(3), wrong)


def test_the_digits_network_knows_digits_it_has_not_seen():
    split = loading.load("digits").test
    model = GanModelConfig(input_size=[16, 16, 1], upsampling=2)
    images = data.scaled(split.images, model)
    assert images.shape == (360, 16, 16, 1)
    assert (np.min(images), np.max(images)) == (-1.0, 1.0)
    found, probabilities = features.feature_network("digits", upsampling=2)(images)
    assert found.shape == (360, 64)
    assert np.mean(np.argmax(probabilities, -1) == split.labels) > 0.95
    np.testing.assert_allclose(np.sum(probabilities, -1), 1.0, rtol=1e-5)
    # Real digits differ from noise by far more than from other real digits.
    train, _ = features.feature_network("digits", upsampling=2)(
        data.scaled(loading.load("digits").train.images, model)
    )
    noise, _ = features.feature_network("digits", upsampling=2)(
        tf.random.stateless_uniform((360, 16, 16, 1), [0, 0], -1.0, 1.0)
    )
    real = metrics.frechet_inception_distance(train, found)
    printed = real_scores.real_scores(2)
    assert printed["fid"] == pytest.approx(real)
    assert printed["inception_score"] == pytest.approx(metrics.inception_score(probabilities))
    assert printed["accuracy"] == np.mean(np.argmax(probabilities, -1) == split.labels)
    assert 20 * real < metrics.frechet_inception_distance(train, noise)


def test_missing_or_wrong_inception_weights_are_an_error(tmp_path):
    with pytest.raises(TrainersError, match=r"`task.feature_weights`.*feature_weights=''"):
        features.feature_network("inception", "")
    with pytest.raises(TrainersError, match=r"one of inception, digits.*features='vgg'"):
        features.feature_network("vgg")
    wrong = tmp_path / "weights.h5"
    wrong.write_bytes(b"no weights")
    with pytest.raises(TrainersError, match=r"weights\.h5 does not hold InceptionV3's"):
        features.feature_network("inception", str(wrong))


@pytest.mark.slow
def test_inception_features_are_those_of_keras(tmp_path):
    path = str(tmp_path / "inception.h5")
    original = tf.keras.applications.InceptionV3(weights=None)
    original.save_weights(path)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 299, 299, 3)).astype(np.float32)
    found, probabilities = features.feature_network("inception", path)(images)
    assert found.shape == (2, 2048)
    np.testing.assert_allclose(probabilities, original(images), rtol=1e-4, atol=1e-6)
    inside = tf.keras.Model(original.input, original.get_layer("avg_pool").output)
    np.testing.assert_allclose(found, inside(images), rtol=1e-4, atol=1e-5)
