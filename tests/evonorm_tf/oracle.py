"""Every registered layer in float64 NumPy, written from the paper's tables 1, 3, 4, 6 and 7.

Input is (batch, ..., channels). Formulas also take complex numbers, whose imaginary part
then carries an exact derivative (complex step): comparisons look at real parts, and
nothing takes an absolute value without saying so.
"""

import numpy as np

EPSILON = 1e-5


def groups_of(channels, most=32):
    """The authors' rule: count down from 32 until it divides."""
    groups = most
    while channels % groups:
        groups -= 1
    return groups


def larger(a, b):
    a, b = np.broadcast_arrays(a, b)
    return np.where(a.real >= b.real, a, b)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def magnitude(x):
    return np.where(x.real >= 0, x, -x)


def spatial(x):
    return tuple(range(1, x.ndim - 1))


def mean_bwh(x):
    return x.mean(axis=(0, *spatial(x)), keepdims=True)


def var_bwh(x):
    return ((x - mean_bwh(x)) ** 2).mean(axis=(0, *spatial(x)), keepdims=True)


def mean_wh(x):
    return x.mean(axis=spatial(x), keepdims=True)


def var_wh(x):
    return ((x - mean_wh(x)) ** 2).mean(axis=spatial(x), keepdims=True)


def mean_whc(x):
    return x.mean(axis=(*spatial(x), x.ndim - 1), keepdims=True)


def var_whc(x):
    return ((x - mean_whc(x)) ** 2).mean(axis=(*spatial(x), x.ndim - 1), keepdims=True)


def mean_group(x, groups):
    """mu_{w,h,c/g}: one slice of channels after the other, nothing clever."""
    size = x.shape[-1] // groups
    slices = [x[..., i * size : (i + 1) * size] for i in range(groups)]
    means = [np.broadcast_to(mean_whc(part), part.shape) for part in slices]
    return np.concatenate(means, axis=-1)


def var_group(x, groups):
    return mean_group((x - mean_group(x, groups)) ** 2, groups)


def root(moment):
    return np.sqrt(moment + EPSILON)


class Case:
    """One layer's input: x, its vectors, and, in inference, the moving statistics.

    In training the batch's statistics are used and left in `used` for the moving averages.
    """

    def __init__(self, x, vectors, moving=None, groups=None):
        self.x = x
        self.vectors = vectors
        self.moving = moving
        self.groups = groups or groups_of(x.shape[-1])
        self.used = {}

    def __getattr__(self, name):
        return self.vectors[name]

    def statistic(self, name, batch_value):
        if self.moving is not None:
            return self.moving[name]
        self.used[name] = batch_value.reshape(-1)
        return batch_value

    def batch_mean(self):
        return self.statistic("moving_mean", mean_bwh(self.x))

    def batch_var(self):
        return self.statistic("moving_variance", var_bwh(self.x))

    def affine(self, y):
        return y * self.gamma + self.beta

    def batch_norm(self):
        return self.affine((self.x - self.batch_mean()) / root(self.batch_var()))

    def group_norm(self):
        centered = self.x - mean_group(self.x, self.groups)
        return self.affine(centered / root(var_group(self.x, self.groups)))


def evonorm_b0(k):
    denominator = larger(root(k.batch_var()), k.v * k.x + root(var_wh(k.x)))
    return k.affine(k.x / denominator)


def evonorm_b1(k):
    denominator = larger(root(k.batch_var()), (k.x + 1) * root(mean_wh(k.x**2)))
    return k.affine(k.x / denominator)


def evonorm_b2(k):
    denominator = larger(root(k.batch_var()), root(mean_wh(k.x**2)) - k.x)
    return k.affine(k.x / denominator)


def evonorm_s0(k):
    return k.affine(k.x * sigmoid(k.v * k.x) / root(var_group(k.x, k.groups)))


def evonorm_s1(k):
    return k.affine(k.x * sigmoid(k.x) / root(var_group(k.x, k.groups)))


def evonorm_s2(k):
    return k.affine(k.x * sigmoid(k.x) / root(mean_group(k.x**2, k.groups)))


def bn_relu(k):
    return larger(k.batch_norm(), 0)


def bn_silu(k):
    z = k.batch_norm()
    return z * sigmoid(k.v * z)


def gn_relu(k):
    return larger(k.group_norm(), 0)


def gn_silu(k):
    n = k.group_norm()
    return n * sigmoid(k.v * n)


def frn(k):
    return larger(k.affine(k.x / root(mean_wh(k.x**2))), k.v)


def ln_norm(k):
    return k.affine((k.x - mean_whc(k.x)) / root(var_whc(k.x)))


def ln_relu(k):
    return larger(ln_norm(k), 0)


def pixelnorm(k):
    return k.affine(k.x / root((k.x**2).mean(axis=-1, keepdims=True)))


def pixelnorm_relu(k):
    return larger(pixelnorm(k), 0)


def random(k):
    u = root(var_wh(sigmoid(magnitude(k.x))))
    return k.affine(np.broadcast_to(np.sqrt(u), k.x.shape))


def random_rej(k):
    return k.affine(np.tanh(larger(k.x, np.tanh(k.x))))


def rs_rej(k):
    moment = k.statistic("moving_second_moment", mean_bwh(k.x**2))
    return k.affine(larger(k.x, 0) / root(moment))


def found_b0(k):
    y = larger(k.x, -k.v1)
    moment = k.statistic("moving_second_moment", mean_bwh(y**2))
    return k.affine(y / root(moment))


def found_b1(k):
    z = k.x + root(var_wh(k.x))
    moment = k.statistic("moving_second_moment", mean_bwh(z**2))
    return k.affine(z / root(moment))


def found_s0(k):
    half = larger(k.x, mean_wh(k.x))
    return k.affine(k.x / larger(k.x, mean_group(root(var_wh(half)), k.groups)))


def b0_no_v1x(k):
    return k.affine(k.x / larger(root(k.batch_var()), root(var_wh(k.x))))


def b0_no_local(k):
    return k.affine(k.x / root(k.batch_var()))


def b0_no_global(k):
    return k.affine(k.x / (k.v1 * k.x + root(var_wh(k.x))))


def b0_max_to_add(k):
    return k.affine(k.x / (root(k.batch_var()) + k.v1 * k.x + root(var_wh(k.x))))


LAYERS = {
    function.__name__: function
    for function in (
        evonorm_b0,
        evonorm_b1,
        evonorm_b2,
        evonorm_s0,
        evonorm_s1,
        evonorm_s2,
        bn_relu,
        bn_silu,
        gn_relu,
        gn_silu,
        frn,
        ln_relu,
        pixelnorm_relu,
        random,
        random_rej,
        rs_rej,
        found_b0,
        found_b1,
        found_s0,
        b0_no_v1x,
        b0_no_local,
        b0_no_global,
        b0_max_to_add,
    )
}

# What nonlinearity=False leaves of a layer.
LINEAR = {
    **dict.fromkeys(LAYERS, lambda k: k.affine(k.x)),
    "bn_relu": Case.batch_norm,
    "bn_silu": Case.batch_norm,
    "gn_relu": Case.group_norm,
    "gn_silu": Case.group_norm,
    "frn": lambda k: k.affine(k.x / root(mean_wh(k.x**2))),
    "ln_relu": ln_norm,
    "pixelnorm_relu": pixelnorm,
}


def gradients(layer, x, vectors, weights, groups=None):
    """Exact gradients of sum(layer(x) * weights) in training, by complex steps.

    Returns:
      A dict with the gradient for "x" and for each vector.
    """

    def loss(**changed):
        inputs = {"x": x, **vectors, **changed}
        return (layer(Case(inputs.pop("x"), inputs, groups=groups)) * weights).sum()

    step = 1e-30
    found = {}
    for name, value in {"x": x, **vectors}.items():
        gradient = np.empty(value.shape)
        for index in np.ndindex(*value.shape):
            moved = value.astype(complex)
            moved[index] += 1j * step
            gradient[index] = loss(**{name: moved}).imag / step
        found[name] = gradient
    return found
