"""Data of a user's own: files, folders and functions, and one line for each that cannot be used."""

import pickle

import numpy as np
import pytest

from search.errors import SearchError
from search.evaluation import images as run_images
from search.evaluation.anchor_trainer import AnchorTrainer
from search.presets import preset
from tests.search import own_data
from trainers import data
from trainers.errors import TrainersError

IMAGES, LABELS = own_data.arrays()
INFINITE = np.where(IMAGES > 100, np.nan, IMAGES)


def counts(loaded):
    return [len(part) for part in (loaded.train, loaded.validation, loaded.test)]


def keys(split):
    return {image.tobytes() for image in split.images}


def test_a_file_without_a_test_set_is_split_in_three(tmp_path):
    path = own_data.write_npz(tmp_path / "own.npz")
    loaded = data.load(path)
    assert counts(loaded) == [36, 12, 12]
    assert loaded.num_classes == 2
    assert loaded.train.images.dtype == np.uint8 and loaded.train.labels.dtype == np.int32
    parts = [keys(part) for part in (loaded.train, loaded.validation, loaded.test)]
    assert set.union(*parts) == {image.tobytes() for image in IMAGES}
    assert sum(map(len, parts)) == len(IMAGES)
    for part in (loaded.train, loaded.validation, loaded.test):
        assert np.bincount(part.labels).tolist() == [len(part) / 2] * 2
    assert parts == [keys(part) for part in (data.load(path).train, loaded.validation, loaded.test)]


def test_a_test_set_is_kept(tmp_path):
    path = own_data.write_npz(tmp_path / "own.npz", x_test=IMAGES[:7], y_test=LABELS[:7])
    loaded = data.load(path)
    assert counts(loaded) == [48, 12, 7]
    np.testing.assert_array_equal(loaded.test.images, IMAGES[:7])


@pytest.mark.parametrize("kind", ["float64", "float16", "int64", "uint16"])
def test_other_numbers_become_float32(tmp_path, kind):
    loaded = data.load(own_data.write_npz(tmp_path / "own.npz", x_train=IMAGES.astype(kind)))
    assert loaded.train.images.dtype == np.float32
    same = data.load(own_data.write_npz(tmp_path / "same.npz"))
    np.testing.assert_array_equal(loaded.train.images, same.train.images)


def test_images_without_channels_have_one(tmp_path):
    loaded = data.load(own_data.write_npz(tmp_path / "own.npz", x_train=IMAGES[..., 0]))
    assert loaded.train.images.shape[1:] == (6, 9, 1)


def test_a_channel_without_variation_is_no_division_by_zero(tmp_path):
    flat = np.where([True, False, False], np.float32(0.1), IMAGES).astype(np.float32)
    loaded = data.load(own_data.write_npz(tmp_path / "own.npz", x_train=flat))
    assert loaded.stddev[0] == 1.0 and (loaded.stddev[1:] > 1).all()


def test_images_are_resized(tmp_path):
    path = own_data.write_npz(tmp_path / "own.npz")
    assert data.load(path, image_size=4).test.images.shape[1:] == (4, 4, 3)
    larger = data.load("digits", image_size=16)
    assert larger.train.images.shape[1:] == (16, 16, 1) and larger.train.images.dtype == np.uint8
    assert larger.train.images.mean() == pytest.approx(data.load("digits").mean[0], rel=0.02)


@pytest.mark.parametrize("suffix", [".png", ".JPG"])
def test_a_folder_of_class_folders(tmp_path, suffix):
    folder = own_data.write_folder(tmp_path / "pets", suffix=suffix)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("left out")
    (tmp_path / "pets" / ".cache").mkdir()
    loaded = data.load(folder)
    assert counts(loaded) == [12, 4, 4]
    assert loaded.train.images.shape[1:] == (6, 9, 3)
    if suffix == ".png":
        assert keys(loaded.train) <= {image.tobytes() for image in own_data.arrays(10)[0]} | {
            image.tobytes() for image in own_data.arrays(10, seed=1)[0]
        }


def test_folders_of_train_and_test(tmp_path):
    own_data.write_folder(tmp_path / "pets" / "train")
    own_data.write_folder(tmp_path / "pets" / "test", count=3)
    assert counts(data.load(str(tmp_path / "pets"))) == [16, 4, 6]
    (tmp_path / "pets" / "test" / "dog").rename(tmp_path / "pets" / "test" / "cow")
    with pytest.raises(TrainersError, match=r"the same classes. Received: cat, dog and cat, cow"):
        data.load(str(tmp_path / "pets"))


def test_gray_and_color_images_become_rgb(tmp_path):
    own_data.write_folder(tmp_path / "pets", ["gray"], size=(6, 9, 1))
    own_data.write_folder(tmp_path / "pets", ["rgba"], size=(6, 9, 4))
    assert data.load(str(tmp_path / "pets")).train.images.shape[1:] == (6, 9, 3)


def test_images_of_different_sizes_need_a_size(tmp_path):
    own_data.write_folder(tmp_path / "pets", ["cat"])
    own_data.write_folder(tmp_path / "pets", ["dog"], size=(7, 5, 3))
    with pytest.raises(TrainersError, match=r"9x6 in .*cat.*, 5x7 in .*dog") as error:
        data.load(str(tmp_path / "pets"))
    assert "evaluation.image_size" in str(error.value)
    assert data.load(str(tmp_path / "pets"), image_size=8).train.images.shape[1:] == (8, 8, 3)


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(TrainersError, match=r"images for each class. Received: .*which has no"):
        data.load(str(tmp_path))
    own_data.write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "bird").mkdir()
    with pytest.raises(TrainersError, match=r"each class must have images .*bird, which has none"):
        data.load(str(tmp_path / "pets"))
    (tmp_path / "pets" / "bird" / "1.png").write_bytes(b"no image")
    with pytest.raises(TrainersError, match=r"must be a PNG or JPEG. Received: .*bird/1.png: "):
        data.load(str(tmp_path / "pets"))


def test_a_function_in_the_current_directory(tmp_path, monkeypatch):
    name = own_data.write_module(tmp_path, monkeypatch)
    loaded = data.load(f"{name}:load")
    assert counts(loaded) == [96, 24, 20]
    assert loaded.train.images.shape[1:] == (6, 9, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:load", "importing no_such_module raised ModuleNotFoundError: No module"),
        ("stranger_module:store", "a function of the module stranger_module. Received: 'store'"),
        ("stranger_module:_load_badly", "calling _load_badly raised ValueError: no disk"),
        ("stranger_module:three", "must return .x_train, y_train. or .*Received: tuple of 3"),
        ("broken_module:load", "importing broken_module raised SystemExit: 3"),
    ],
)
def test_functions_that_cannot_be_used(tmp_path, monkeypatch, name, message):
    own_data.write_module(tmp_path, monkeypatch, "raise SystemExit(3)", "broken_module")
    own_data.write_module(tmp_path, monkeypatch)
    with pytest.raises(TrainersError, match=message):
        data.load(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"y_train": LABELS + 1},
            "the classes from 0 without a gap. Received: .*from 1 to 2",
        ),
        ({"y_train": LABELS * 3}, "labels from 0 to 3, without 1"),
        ({"y_train": LABELS - 1}, "labels from -1 to 0"),
        ({"y_train": LABELS * 1.0}, "y_train must be whole numbers .*Received: float64"),
        ({"y_train": np.eye(2, dtype=int)[LABELS]}, r"Received: int64 of shape \(60, 2\)"),
        ({"y_train": LABELS * 0}, "two classes or more. Received: only class 0"),
        ({"y_train": LABELS[:50]}, "must be equally long. Received: 60 images and 50 labels"),
        ({"y_train": np.r_[LABELS[:-1], 2]}, "5 images of each class .*Received: 1 of class 2"),
        ({"x_train": INFINITE}, "must be finite. Received: .*first in image 0"),
        ({"x_train": IMAGES[0, 0]}, r"must be of shape \(count, .*Received: \(9, 3\)"),
        ({"x_train": IMAGES[:0], "y_train": LABELS[:0]}, r"none of them 0, .*Received: \(0, 6"),
        ({"x_train": IMAGES.astype(str)}, "x_train must be numbers. Received: <U3"),
        ({"x_train": None}, "must have x_train and y_train, .*Received: y_train$"),
        ({"x_test": IMAGES}, "x_test and y_test or neither. Received: x_train, y_train, x_test"),
        ({"x_test": IMAGES[:, :5], "y_test": LABELS}, r"Received: \(5, 9, 3\) uint8"),
        ({"x_test": IMAGES / 255, "y_test": LABELS}, r"Received: \(6, 9, 3\) float32"),
        ({"x_test": IMAGES, "y_test": LABELS * 2}, "among those of y_train, 0 to 1. Rec.* 0 to 2"),
        ({"x_train": np.array([{}] * 60)}, "without Python objects. Reading it raised ValueError"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, changes, message):
    path = own_data.write_npz(tmp_path / "own.npz", **changes)
    with pytest.raises(TrainersError, match=message) as error:
        data.load(path)
    assert "\n" not in str(error.value)


class _Evil:
    def __reduce__(self):
        return print, ("unpickled",)


def test_files_that_are_no_npz(tmp_path, capsys):
    path = tmp_path / "own.npz"
    own_data.write_npz(path)
    whole = path.read_bytes()
    for content in (b"", b"text", pickle.dumps(_Evil()), whole[:-40], whole[:3000] + whole[3100:]):
        path.write_bytes(content)
        with pytest.raises(TrainersError, match=r"it must be a .npz file of numbers"):
            data.load(str(path))
    with path.open("wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(TrainersError, match=r"it must be a .npz file of numbers"):
        data.load(str(path))
    assert "unpickled" not in capsys.readouterr().out


def test_settings_that_do_not_fit_the_images(tmp_path):
    path = own_data.write_npz(tmp_path / "own.npz")
    settings = preset("smoke").override([f"evaluation.data={path}", "evaluation.crop=7"]).evaluation
    loaded = run_images.load_data(settings)
    with pytest.raises(SearchError, match=r"crop cannot be 7: .* 9 pixels wide and 6 high"):
        run_images.check_fit(loaded, settings)
    settings = preset("paper-b").override([f"evaluation.data={path}"]).evaluation
    with pytest.raises(SearchError, match=r"batch_size cannot be 128: .* images to train on, 36"):
        run_images.check_fit(loaded, settings)


def test_a_training_on_float_images(tmp_path):
    path = own_data.write_npz(tmp_path / "own.npz", x_train=IMAGES / np.float32(255))
    loaded = data.load(path)
    settings = preset("smoke").override(["evaluation.steps=4", "evaluation.crop=5"]).evaluation
    trainer = AnchorTrainer("mobilenet_v2_small", loaded, settings, seed=0)
    trainer.start(None)
    assert trainer.train(0, 4)
    assert 0 <= trainer.accuracy(loaded.test) <= 1
