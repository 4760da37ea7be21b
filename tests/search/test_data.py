"""The data's parts share no example, and are the same in every run."""

import hashlib

import numpy as np
import pytest

from trainers import data


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def _keys(split):
    return {image.tobytes() for image in split.images}


def test_digits_are_split_without_overlap(digits):
    parts = [digits.train, digits.validation, digits.test]
    assert [len(part) for part in parts] == [1077, 360, 360]
    assert sum(len(_keys(part)) for part in parts) == len(set.union(*map(_keys, parts)))
    assert digits.train.images.shape[1:] == (8, 8, 1)
    assert digits.train.images.dtype == np.uint8
    assert digits.num_classes == 10


def test_digits_classes_have_equal_shares(digits):
    for part in (digits.train, digits.validation, digits.test):
        share = np.bincount(part.labels, minlength=10) / len(part)
        np.testing.assert_allclose(share, 0.1, atol=0.006)


def test_digits_test_split_never_changes(digits):
    # Numbers on the test split mean something only while it is the same 360 examples.
    shades = np.rint(digits.test.images / 255 * 16).astype(np.uint8)  # as scikit-learn has them
    digest = hashlib.sha256(shades.tobytes() + digits.test.labels.tobytes())
    assert digest.hexdigest()[:16] == "b0f6cc025cd37d6f"


def test_mean_and_stddev_are_those_of_the_training_images(digits):
    assert digits.mean == pytest.approx(digits.train.images.mean(), rel=1e-5)
    assert digits.stddev == pytest.approx(digits.train.images.std(), rel=1e-5)


def test_held_out_mixes_train_and_validation_and_leaves_the_test(digits):
    again = digits.held_out(0.1, seed=5)
    assert len(again.validation) == round(0.1 * (1077 + 360))
    assert _keys(again.train) | _keys(again.validation) == _keys(digits.train) | _keys(
        digits.validation
    )
    assert not _keys(again.train) & _keys(again.validation)
    assert again.test is digits.test


def test_half_of_the_inverted_digits_are_inverted(digits):
    assert _inverted_images(digits, data.load("inverted_digits")) == 1797 // 2


def _inverted_images(original, inverted):
    """Checks that each image of any split is the original one or its inverse; counts the latter."""
    count = 0
    for name in ("train", "validation", "test"):
        split, other = getattr(original, name), getattr(inverted, name)
        np.testing.assert_array_equal(split.labels, other.labels)
        is_same = (split.images == other.images).all((1, 2, 3))
        is_inverted = (split.images == 255 - other.images).all((1, 2, 3))
        assert (is_same ^ is_inverted).all()
        count += is_inverted.sum()
    return count


def test_no_linear_classifier_learns_the_inverted_digits():
    from sklearn.linear_model import LogisticRegression

    split = data.load("inverted_digits").train
    pixels = split.images.reshape(len(split), -1) / 255
    assert (
        LogisticRegression(max_iter=200).fit(pixels, split.labels).score(pixels, split.labels) < 0.5
    )


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="it is one of digits, inverted_digits, cifar10"):
        data.load("Mnist")


@pytest.mark.slow
def test_half_of_the_inverted_cifar10_images_are_inverted():
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=50):
        original, inverted = data.load("cifar10"), data.load("inverted_cifar10")
    assert _inverted_images(original, inverted) == 45 // 2 + 5 // 2 + 50 // 2


@pytest.mark.slow
def test_cifar10_from_tfds(monkeypatch):
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=50):
        cifar = data.load("cifar10")
    assert [len(part) for part in (cifar.train, cifar.validation, cifar.test)] == [45, 5, 50]
    assert cifar.train.images.shape[1:] == (32, 32, 3)
    assert cifar.mean.shape == (3,)
    assert cifar.train.labels.dtype == np.int32
