"""SpineNet (Du et al. 2020) as in tf-models-official, with any norm-act layer."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from official.vision.modeling.backbones import spinenet

from trainers.detection.blocks import BottleneckBlock, ResidualBlock

_BLOCKS: dict[str, Callable[..., tf.keras.layers.Layer]] = {
    "bottleneck": BottleneckBlock,
    "residual": ResidualBlock,
}
SIZES = tuple(spinenet.SCALING_MAP)


class SpineNet(spinenet.SpineNet):
    """tf-models-official's SpineNet, whose norms and activations come from a factory.

    Where its methods create a norm and then an activation, they get a nonlinear layer and the
    identity. A resampling ends with a norm without activation, which becomes the linear form.
    The ReLU after the fusion of parents, which has no norm before it, stays.

    Args:
      model_id: one of `SIZES`.
      make_layer: a function that `evonorm_tf.norm_act_factory` returned.
      **kwargs: of tf-models-official's SpineNet.
    """

    # Of tf-models-official's class, which asks for norms and activations through them.
    _norm: Callable[..., tf.keras.layers.Layer]
    _activation_fn: Callable[[tf.Tensor], tf.Tensor]

    def __init__(
        self, model_id: str, make_layer: Callable[..., tf.keras.layers.Layer], **kwargs: Any
    ):
        """Looks up the scaling of `model_id` and builds the network."""
        self._make_layer = make_layer
        super().__init__(**spinenet.SCALING_MAP[model_id], **kwargs)

    def _build_stem(self, inputs: tf.Tensor) -> tf.Tensor:
        with self._norm_acts([True]):
            return super()._build_stem(inputs)

    def _build_endpoints(self, net: Any) -> dict[str, tf.Tensor]:
        levels = range(self._min_level, self._max_level + 1)
        with self._norm_acts([True for _ in levels]):
            return super()._build_endpoints(net)

    def _resample_with_alpha(
        self,
        inputs: tf.Tensor,
        input_width: int,
        input_block_fn: str,
        target_width: int,
        *args: Any,
        **kw: Any,
    ) -> tf.Tensor:
        reduces = input_width > target_width
        with self._norm_acts([True, True, False] if reduces else [True, False]):
            return super()._resample_with_alpha(
                inputs, input_width, input_block_fn, target_width, *args, **kw
            )

    def _block_group(
        self,
        inputs: tf.Tensor,
        filters: int,
        strides: int,
        block_fn_cand: str,
        block_repeats: int = 1,
        stochastic_depth_drop_rate: float | None = None,
        name: str = "block_group",
    ) -> tf.Tensor:
        expanded = filters * (4 if block_fn_cand == "bottleneck" else 1)
        x = inputs
        for index in range(block_repeats):
            x = _BLOCKS[block_fn_cand](
                self._make_layer,
                filters=filters,
                strides=strides if index == 0 else 1,
                use_projection=index == 0 and (x.shape[-1] != expanded or strides != 1),
                stochastic_depth_drop_rate=stochastic_depth_drop_rate,
                kernel_initializer=self._kernel_initializer,
                kernel_regularizer=self._kernel_regularizer,
                bias_regularizer=self._bias_regularizer,
                activation=self._activation,
                name=f"{name}_{index + 1}",
            )(x)
        return x

    @contextlib.contextmanager
    def _norm_acts(self, nonlinear: list[bool]) -> Iterator[None]:
        """A context in which norms become layers of these kinds, and activations identities."""
        kinds = iter(nonlinear)
        norm, activation = self._norm, self._activation_fn
        self._norm = lambda **_: self._make_layer(nonlinearity=next(kinds))
        self._activation_fn = tf.identity
        yield
        self._norm, self._activation_fn = norm, activation
        if next(kinds, None) is not None:
            raise AssertionError("tf-models-official's SpineNet has other norms than expected")
