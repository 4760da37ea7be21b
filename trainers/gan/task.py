"""The GAN task: both networks' steps, and Inception Score and FID of the averaged generator."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.data import inputs as data_inputs
from trainers.data.config import DataConfig
from trainers.engine import kinds, steps
from trainers.engine.base import EngineTask, Named
from trainers.errors import TrainersError
from trainers.gan import data, features, losses, metrics, parts, sampling, spectral
from trainers.gan.config import GanExperimentConfig
from trainers.gan.model import Gan
from trainers.gan.optimizers import GanOptimizers
from trainers.models import norm_act
from trainers.platform import optimizers

_GRID = (10, 10)


@kinds.register(GanExperimentConfig)
class GanTask(EngineTask):
    """Trains BigGAN-deep with any norm-act layer in its generator.

    A step consists of `discriminator_steps` of the discriminator and one of the generator, each
    with its own images.
    """

    unread = (
        "task.allow_image_summary",
        "task.init_checkpoint",
        "task.discriminator_optimizer.ema",
        "trainer.optimizer_config.ema",
        "runtime.mixed_precision_dtype",  # all computations are in float32
        "runtime.loss_scale",
    )

    @classmethod
    def check(cls, params: GanExperimentConfig) -> None:
        """Checks layer, sizes and the name of the feature network. Raises TrainersError."""
        task, model = params.task, params.task.model
        norm_act.source_of(model.norm_act)
        if len(model.input_size) != 3 or model.input_size[0] != model.input_size[1]:
            raise TrainersError(
                "`task.model.input_size` must be side, side, channels. "
                f"Received: input_size={list(model.input_size)}"
            )
        parts.stage_widths(model.input_size[0], model.width)
        features.check_name(task.features)
        if task.features == features.DIGITS and model.upsampling * 8 != model.input_size[0]:
            raise TrainersError(
                "`task.features` 'digits' are of the digits' 8x8 pixels times "
                f"`task.model.upsampling`. Received: input_size={list(model.input_size)}, "
                f"upsampling={model.upsampling}"
            )
        for name, least in (("discriminator_steps", 1), ("samples", 2), ("standing_batches", 1)):
            if getattr(task, name) < least:
                raise TrainersError(
                    f"`task.{name}` must be at least {least}. "
                    f"Received: {name}={getattr(task, name)}"
                )

    @classmethod
    def check_data(cls, config: DataConfig, params: GanExperimentConfig, path: str) -> None:
        """Checks that data and model fit, and the feature network. Raises TrainersError."""
        data_inputs.check(config, data.RealImages.of(params.task.model), path)
        if not config.is_training:
            features.check(params.task.features, params.task.feature_weights)

    @classmethod
    def data_name(cls, config: DataConfig) -> str:
        """The data set's source."""
        return config.source

    def build_model(self) -> Gan:
        """The networks, with the same initial weights for the same `task.seed`."""
        tf.keras.utils.set_random_seed(self.task_config.seed)
        config = self.task_config.model
        defaults = {name: getattr(config, name) for name in ("groups", "momentum", "synchronized")}
        self._model = Gan(config, *norm_act.resolve(config.norm_act, defaults=defaults))
        return self._model

    def build_inputs(
        self,
        params: DataConfig,
        input_context: tf.distribute.InputContext | None = None,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """See `trainers.gan.data`."""
        if params.is_training:
            return data.training_batches(self.task_config, params, input_context, first_step)
        return data.evaluation_batches(self.task_config, params, input_context)

    def create_optimizer(
        self, optimizer_config: Any, runtime_config: Any = None, dp_config: Any = None
    ) -> GanOptimizers:
        """Both optimizers; `optimizer_config` is the generator's."""
        build = super().create_optimizer
        return GanOptimizers(
            build(optimizer_config, runtime_config, dp_config),
            build(self.task_config.discriminator_optimizer, runtime_config, dp_config),
        )

    def build_metrics(self, training: bool = True) -> list[tf.keras.metrics.Metric]:
        """Both losses in training; the scores of evaluation need all images at once."""
        if training:
            return [tf.keras.metrics.Mean(f"{name}_loss") for name in _NETWORKS]
        config = self.task_config
        self._features = features.feature_network(
            config.features, config.feature_weights, config.model.upsampling
        )
        return []

    def make_optimizer_variables(self, model: Gan, optimizer: GanOptimizers) -> None:
        """Creates the variables of both optimizers."""
        for network in ("generator", "discriminator"):
            variables = getattr(model, network).trainable_variables
            optimizers.make_variables(getattr(optimizer, network), variables)

    def train_step(
        self,
        inputs: Any,
        model: Gan,
        optimizer: GanOptimizers,
        metrics: list[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """The steps of the discriminator, then one of the generator."""
        images, labels, noise, drawn_labels = inputs
        rounds = self.task_config.discriminator_steps
        real = zip(tf.split(images, rounds), tf.split(labels, rounds), strict=True)
        drawn = list(
            zip(tf.split(noise, rounds + 1), tf.split(drawn_labels, rounds + 1), strict=True)
        )
        finite = tf.constant(True)
        for batch, seeds in zip(real, drawn, strict=False):
            loss, good = self._discriminator_step(batch, seeds, model, optimizer.discriminator)
            finite = tf.logical_and(finite, good)
        generator_loss, good = self._generator_step(drawn[-1], model, optimizer.generator)
        finite = tf.logical_and(finite, good)
        model.update_average(self._decay(optimizer.iterations))
        for metric, value in zip(metrics or (), (generator_loss, loss), strict=False):
            metric.update_state(value)
        return {self.loss: generator_loss + loss, "finite": finite}

    def _discriminator_step(
        self, batch: Any, seeds: tuple[tf.Tensor, tf.Tensor], model: Gan, optimizer: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        fake = model.generator(list(seeds), training=True)
        with tf.GradientTape() as tape:
            loss = _discriminator_loss(model.discriminator, batch, (fake, seeds[1]))
            scaled = steps.scaled(loss, optimizer)
        variables = model.discriminator.trainable_variables
        gradients = tape.gradient(scaled, variables)
        return loss, steps.apply_if_finite(gradients, variables, optimizer, loss)

    def _generator_step(
        self, seeds: tuple[tf.Tensor, tf.Tensor], model: Gan, optimizer: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        kernels = spectral.kernels(model.generator)
        with tf.GradientTape() as tape:
            fake = model.generator(list(seeds), training=True)
            loss = losses.generator_loss(model.discriminator([fake, seeds[1]], training=True))
            penalty = losses.orthogonal_penalty(kernels, self.task_config.orthogonal)
            scaled = steps.scaled(loss + penalty, optimizer)
        variables = model.generator.trainable_variables
        gradients = tape.gradient(scaled, variables)
        return loss, steps.apply_if_finite(gradients, variables, optimizer, loss)

    def _decay(self, iterations: tf.Tensor) -> tf.Tensor:
        """The average's decay: 0 up to `average_start`, so that the average equals the weights."""
        config = self.task_config
        begun = tf.cast(iterations > config.average_start, tf.float32)
        return begun * config.average_decay

    def probe(self, inputs: Any, model: Gan) -> tuple[list[Named], list[Named]]:
        """The outputs of all layers of both networks, and the gradients of both losses."""
        images, labels, noise, drawn_labels = inputs
        count = tf.shape(images)[0]
        all_layers = [
            _with_all_outputs(network) for network in (model.generator, model.discriminator)
        ]
        with tf.GradientTape() as tape:
            drawn = all_layers[0]([noise[:count], drawn_labels[:count]], training=True)
            both = [tf.concat([images, drawn[-1]], 0), tf.concat([labels, drawn_labels[:count]], 0)]
            judged = all_layers[1](both, training=True)
            real, fake = tf.split(judged[-1], 2)
            loss = losses.discriminator_loss(real, fake) + losses.generator_loss(fake)
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        names = [layer.name for n in (model.generator, model.discriminator) for layer in n.layers]
        outputs = zip(names, [*drawn[:-1], *judged[:-1]], strict=True)
        return (
            [(name, output) for name, output in outputs if output.dtype.is_floating],
            [(v.name, g) for v, g in zip(variables, gradients, strict=True)],
        )

    def validation_step(
        self, inputs: Any, model: Gan, metrics: list[tf.keras.metrics.Metric] | None = None
    ) -> dict[str, Any]:
        """The features of real images."""
        images, _, weights = inputs
        real_features, _ = self._features(images, training=False)
        return {"features": real_features, "weights": weights}

    def aggregate_logs(
        self, state: list[np.ndarray] | None, step_outputs: dict[str, Any]
    ) -> list[np.ndarray]:
        """Collects the features of the images that do not have weight 0."""
        state = [] if state is None else state
        pairs = zip(step_outputs["features"], step_outputs["weights"], strict=True)
        state.extend(rows.numpy()[weights.numpy() > 0] for rows, weights in pairs)
        return state

    def reduce_aggregated_logs(
        self, aggregated_logs: Any, global_step: tf.Variable | None = None
    ) -> dict[str, float]:
        """Inception Score and FID of samples; the first samples are written for TensorBoard."""
        config = self.task_config
        sampler = self.sampler(self._model)
        sampler.set_standing_statistics(config.standing_batches)

        def judged(images: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return (images, *self._features(images, training=False))

        fake_features, probabilities = [], []
        shown: list[np.ndarray] = []
        for images, batch_features, batch_probabilities in sampler.batches(config.samples, judged):
            fake_features.append(batch_features)
            probabilities.append(batch_probabilities)
            shown.extend(images[: _GRID[0] * _GRID[1] - len(shown)])
        self._write_images(np.stack(shown), global_step)
        real, fake = np.concatenate(aggregated_logs), np.concatenate(fake_features)
        return {
            "inception_score": metrics.inception_score(np.concatenate(probabilities)),
            "fid": metrics.frechet_inception_distance(real, fake),
            "samples": float(len(fake)),
        }

    def sampler(self, model: Gan) -> sampling.Sampler:
        """A sampler of the averaged generator, with the configuration's settings."""
        config = self.task_config
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        return sampling.Sampler(
            model.averaged,
            num_classes=config.model.num_classes,
            noise_size=config.model.noise_size,
            batch_size=config.validation_data.global_batch_size // replicas,
            truncation=config.truncation,
            seed=config.seed,
        )

    def _write_images(self, images: np.ndarray, global_step: tf.Variable | None) -> None:
        if not self.logging_dir or not tf.distribute.get_strategy().extended.should_checkpoint:
            return
        step = 0 if global_step is None else int(global_step.numpy())
        writer = tf.summary.create_file_writer(os.path.join(self.logging_dir, "samples"))
        with writer.as_default(step=step):
            tf.summary.image("samples", sampling.grid(images, _GRID[1])[None])
        writer.close()


_NETWORKS = ("generator", "discriminator")


def _discriminator_loss(
    network: tf.keras.Model, real: tuple[tf.Tensor, tf.Tensor], fake: tuple[tf.Tensor, tf.Tensor]
) -> tf.Tensor:
    """The hinge loss of two pairs (images, labels), which form one batch for the network."""
    both = [tf.concat(pair, 0) for pair in zip(real, fake, strict=True)]
    return losses.discriminator_loss(*tf.split(network(both, training=True), 2))


def _with_all_outputs(network: tf.keras.Model) -> tf.keras.Model:
    """The network with the outputs of all its layers, followed by its own output."""
    return tf.keras.Model(
        network.inputs, [*(layer.output for layer in network.layers), network.output]
    )
