"""`ConditionalNormAct`: any norm-act layer, with gamma and beta that depend on a condition.

BigGAN's class-conditional batch normalization (Brock et al. 2019, appendix B), for every
layer: gamma = 1 + W c and beta = U c of each example's condition c replace the layer's own
gamma and beta. EvoNorms and layer graphs apply these last; the baselines apply them before
their activation (`gamma_before_activation`).
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from evonorm_tf.layers import formulas
from trainers.gan.spectral import SpectralDense, build_parts


class ConditionalNormAct(tf.keras.layers.Layer):
    """A norm-act layer of (feature map, condition).

    The layer's own gamma and beta stay 1 and 0 and are not trained.

    Args:
      make_layer: a function that `evonorm_tf.norm_act_factory` returned.
      **kwargs: Keras's own.
    """

    def __init__(self, make_layer: Callable[..., tf.keras.layers.Layer], **kwargs: Any):
        """Splits a layer whose gamma comes before its activation into norm and formula."""
        super().__init__(**kwargs)
        layer = make_layer(name="norm_act")
        self._v_initializer = None
        self._formula = formulas.affine
        if getattr(layer, "gamma_before_activation", False):
            self._v_initializer = getattr(layer, "v_initializer", None)
            self._formula = layer.formula
            layer = make_layer(nonlinearity=False, name="norm_act")
        self.norm = layer

    def build(self, input_shape: Any) -> None:
        """Builds the layer for the feature map, gamma and beta for the condition."""
        features, condition = input_shape
        channels = features[-1]
        self.gamma = SpectralDense(channels, use_bias=False, name="gamma")
        self.beta = SpectralDense(channels, use_bias=False, name="beta")
        build_parts({self.norm: features, self.gamma: condition, self.beta: condition})
        self.v = None
        if self._v_initializer is not None:
            self.v = self.add_weight(
                name="v", shape=(channels,), initializer=self._v_initializer, dtype="float32"
            )
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """The layer's output, with each example's own gamma and beta."""
        x, condition = inputs
        scale = 1.0 + self.gamma(condition, training=training)[:, None, None, :]
        offset = self.beta(condition, training=training)[:, None, None, :]
        vectors = {} if self.v is None else {"v": self.v}
        normalized = self.norm(x, training=training)
        return self._formula(normalized, scale=scale, offset=offset, **vectors)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """All but the layer's own gamma and beta, which are replaced."""
        fixed = self._fixed()
        return [weight for weight in super().trainable_weights if id(weight) not in fixed]

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """Those of the sublayers, and the replaced gamma and beta."""
        fixed = self._fixed()
        replaced = [w for w in self.norm.trainable_weights if id(w) in fixed]
        return super().non_trainable_weights + replaced

    def _fixed(self) -> set[int]:
        parts = (getattr(self.norm, name, None) for name in ("gamma", "beta"))
        return {id(part) for part in parts if part is not None}
