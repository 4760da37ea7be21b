"""Table 6 and the digits' experiments: settings of the paper, validity, and a traced step each."""

import multiprocessing

import pytest
import tensorflow as tf
from official.core import exp_factory, task_factory
from official.modeling import hyperparams

from tests.trainers.gan import tiny
from trainers.engine import parameters
from trainers.engine.trainer import Trainer
from trainers.experiments import EXPERIMENTS, biggan, register_all
from trainers.gan.configs import GanExperimentConfig

NAMES = [name for name in EXPERIMENTS if "_biggan_" in name]


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
    """Traces a step of both networks, for the smallest images, on two of them."""
    params = EXPERIMENTS[name].build()
    channels = params.task.model.input_size[2]
    for field, value in {**tiny.SIZES, "input_size": [8, 8, channels]}.items():
        setattr(params.task.model, field, value)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        task = task_factory.get_task(params.task)
        trainer = Trainer(params, task, train=True, evaluate=False)
    rounds = params.task.discriminator_steps

    def step(images, labels, noise, drawn):
        inputs = (images, labels, noise, drawn)
        arguments = (inputs, trainer.model, trainer.optimizer, trainer.train_metrics)
        return trainer.strategy.run(task.train_step, args=arguments)[task.loss]

    traced = tf.function(step, autograph=False).get_concrete_function(
        tf.TensorSpec((2 * rounds, 8, 8, channels)),
        tf.TensorSpec((2 * rounds,), tf.int32),
        tf.TensorSpec((2 * rounds + 2, tiny.SIZES["noise_size"])),
        tf.TensorSpec((2 * rounds + 2,), tf.int32),
    )
    assert traced.output_shapes == tf.TensorShape([])


@pytest.fixture(scope="module")
def processes():
    """A process that is replaced after some traces: TensorFlow never frees a traced graph."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=4) as pool:
        yield pool


# Those on the digits are the same but for one step of the discriminator in place of two.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("imagenet")])
def test_a_step_is_traced(name, processes):
    processes.apply_async(trace_a_step, (name,)).get(timeout=900)
