"""Export, samples and the report, on one GAN that was trained for four steps."""

import json

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from trainers.errors import TrainersError
from trainers.gan import digits_report, export, sample, sampling

pytestmark = pytest.mark.slow


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


def test_the_report_has_the_evaluations_scores(trained, tmp_path, capsys):
    folder, _, metrics = trained
    flags.FLAGS(["digits_report"])
    if "output_dir" not in flags.FLAGS:
        flags.DEFINE_string("output_dir", "", "Where to write.")
        flags.FLAGS(["digits_report"])
    with flagsaver.flagsaver(output_dir=str(tmp_path)):
        digits_report.main(["digits_report", folder])
    report = json.loads((tmp_path / "digits.json").read_text())
    (run,) = report["runs"]
    assert (run["layer"], run["steps"]) == ("evonorm_b0", [4])
    assert run["fid"] == [pytest.approx(metrics["fid"], abs=0.01)]
    assert run["inception_score"] == [pytest.approx(metrics["inception_score"], abs=0.001)]
    assert 0 < report["real"]["fid"] < metrics["fid"]
    assert "| evonorm_b0 | 4 |" in capsys.readouterr().out
    assert (tmp_path / "evonorm_b0.png").exists()


def test_a_folder_without_a_gan_is_an_error(tmp_path):
    with pytest.raises(TrainersError, match=r"params\.yaml"):
        export.restore(str(tmp_path))
