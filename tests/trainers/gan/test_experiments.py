"""Table 6 and the digits' experiments: settings of the paper, validity, and traced steps."""

import pytest
import tensorflow as tf
from official.core import exp_factory, task_factory
from official.modeling import hyperparams

from tests.tiers import tiered
from tests.trainers import tracing
from tests.trainers.gan import tiny
from trainers.engine import parameters
from trainers.experiments import EXPERIMENTS, biggan, register_all
from trainers.gan.config import GanExperimentConfig

NAMES = [name for name in EXPERIMENTS if "_biggan_" in name]
# A layer with statistics of the batch and one of groups; the networks' tests have all.
TRACED = ["imagenet_biggan_deep_evonorm_b0", "digits_biggan_evonorm_s0"]


def test_every_row_of_table_6_has_its_experiments():
    rows = [e for e in EXPERIMENTS.values() if e.table == "table 6"]
    assert [e.build().task.model.norm_act for e in rows] == list(biggan.TABLE_6)
    assert len(NAMES) == 2 * len(rows) == 12
    found = EXPERIMENTS["imagenet_biggan_deep_evonorm_s0"]
    assert found.figure == "IS 104.64 (best 113.96), FID 6.86 (best 6.26)"
    assert found.status == "not yet run"


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_is_valid(name):
    params = EXPERIMENTS[name].build()
    parameters.check(params)
    assert name.endswith(f"_{params.task.model.norm_act}")
    register_all()
    assert isinstance(exp_factory.get_exp_config(name), GanExperimentConfig)


def test_a_configuration_survives_yaml(tmp_path):
    params = biggan.imagenet("gn_relu")
    path = str(tmp_path / "params.yaml")
    hyperparams.save_params_dict_to_yaml(params, path)
    assert parameters.load(path).as_dict() == params.as_dict()


def test_the_settings_are_those_of_the_papers():
    params = biggan.imagenet("gn_relu")
    task, model = params.task, params.task.model
    assert (model.groups, model.width, model.noise_size, model.attention) == (16, 128, 128, 64)
    assert (task.train_data.global_batch_size, task.discriminator_steps) == (2048, 2)
    assert (task.orthogonal, task.average_decay, task.standing_batches) == (1e-4, 0.9999, 100)
    assert task.samples == 50000 and model.synchronized
    optimizers = task_factory.get_task(task).create_optimizer(params.trainer.optimizer_config)
    for optimizer, rate in ((optimizers.generator, 5e-5), (optimizers.discriminator, 2e-4)):
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        assert (float(optimizer.beta_1), float(optimizer.beta_2)) == pytest.approx((0.0, 0.999))


def trace_a_step(name):
    """Of both networks, for the smallest images, on two of them."""
    params = EXPERIMENTS[name].build()
    channels = params.task.model.input_size[2]
    for field, value in {**tiny.SIZES, "input_size": [8, 8, channels]}.items():
        setattr(params.task.model, field, value)
    count = 2 * params.task.discriminator_steps
    batch = (
        tf.TensorSpec((count, 8, 8, channels)),
        tf.TensorSpec((count,), tf.int32),
        tf.TensorSpec((count + 2, tiny.SIZES["noise_size"])),
        tf.TensorSpec((count + 2,), tf.int32),
    )
    logs = tracing.of_a_step(params, task_factory.get_task(params.task), lambda _: batch)
    assert logs["loss"].shape == tf.TensorShape([])


@pytest.mark.parametrize("name", tiered(TRACED, slow=TRACED[:1]))
def test_a_step_is_traced(name, tracing_process):
    tracing_process(trace_a_step, name)
