"""The presets: configurations by name, from a search of minutes to the paper's."""

import dataclasses

from search.config import Config, Evaluation, Method, Ray, Rerank, Space
from search.errors import SearchError

# Accepted random graphs before the first tournament. One of them learns, mostly; with a single one
# a search can mutate layers that learn nothing for most of its time.
_FIRST = 20
_DIGITS = Evaluation(
    data="inverted_digits",
    # EfficientNet is not among them: linear layers learn the digits there, by its
    # squeeze-and-excitation.
    anchors=("resnet_small", "mobilenet_v2_small"),
    groups=4,
    batch_size=32,
    crop=None,
    steps=100,
    learning_rate=0.1,
    schedule="cosine",
    warmup_steps=0,
    # Only trainings that diverge fail. Layers that normalize and learn nothing yet pass, since
    # their mutants are the first that learn.
    quality_steps=25,
    quality_ratio=0.5,
    # What knows nothing after 50 steps knew nothing after 100; all known good layers are above.
    halving_ratio=1.5,
    reject_flat=True,
    reject_signal=True,
    equivalence_affine=True,
    # Ten long steps reject about what the paper's hundred do with short ones.
    stability_steps=10,
    stability_rate=0.1,
    stability_batch=16,
    stability_anchors=1,
)

_CIFAR = dataclasses.replace(
    _DIGITS,
    data="inverted_cifar10",
    # Of all choices these order known layers most as the paper does (docs/experiments/proxies.md).
    anchors=("mobilenet_v2_small", "efficientnet_small"),
    image_size=16,
    groups=2,
    batch_size=64,
    steps=300,
    quality_steps=75,
    stability_batch=32,
)


def _exact(config: Config) -> Config:
    """The paper's search without what is ours and changes which layers are trained or selected."""
    return dataclasses.replace(
        config,
        preset=f"{config.preset}-exact",
        evaluation=dataclasses.replace(config.evaluation, free_rejections=False),
        method=dataclasses.replace(config.method, renewal=False),
    )


_PAPER_RAY = Ray(quality_cpus=2.0, stability_cpus=2.0, training_cpus=2.0)
_PAPER_B = Config(ray=_PAPER_RAY)
_PAPER_S = Config(
    preset="paper-s",
    ray=_PAPER_RAY,
    space=Space(batch_independent=True),
    evaluation=Evaluation(steps=5000, schedule="cosine"),
)
_CIFAR_SMALL = Config(
    preset="cifar-small",
    task_minutes=60.0,
    evaluation=_CIFAR,
    method=Method(
        tournament_fraction=0.2,
        window=60,
        skip_neutral=True,
        shortlist=4,
        initial_members=_FIRST,
        max_minutes=240.0,
    ),
    rerank=Rerank(top_k=6, width=1.0, steps=300, seeds=3, final_seeds=3),
    baselines=("bn_relu", "evonorm_b0", "evonorm_s0", "gn_relu"),
    workers=2,
)
# Where layers without batch statistics are needed. BN-ReLU's best rate is twice this one, and that
# of the layers without batch statistics half of it.
_SMALL_BATCH = dataclasses.replace(
    _CIFAR_SMALL,
    preset="cifar-small-batch",
    space=Space(batch_independent=True),
    evaluation=dataclasses.replace(
        _CIFAR, batch_size=4, steps=1200, learning_rate=0.0125, quality_steps=300
    ),
    rerank=dataclasses.replace(_CIFAR_SMALL.rerank, steps=1200),
)
PRESETS = {
    "demo": Config(
        preset="demo",
        task_minutes=20.0,
        evaluation=dataclasses.replace(_DIGITS, reject_unnormalized=True),
        method=Method(
            tournament_fraction=0.2,
            window=60,
            skip_neutral=True,
            # Fewer than elsewhere: one random graph in 2,000 passes the free rejections here, and
            # most of those learn.
            initial_members=6,
            max_minutes=6.5,
        ),
        # One training says little: the best differ by less than their trainings do.
        rerank=Rerank(top_k=8, width=1.0, steps=100, seeds=5, final_seeds=5),
        workers=2,
    ),
    "cifar-small": _CIFAR_SMALL,
    "cifar-small-batch": _SMALL_BATCH,
    "smoke": Config(
        preset="smoke",
        task_minutes=20.0,
        space=Space(num_nodes=5),
        evaluation=dataclasses.replace(
            _DIGITS,
            data="digits",
            anchors=("mobilenet_v2_small",),
            steps=30,
            quality_steps=15,
            reject_flat=False,
            reject_signal=False,
            equivalence_affine=False,
            quality_ratio=1.0,
            halving_ratio=0.0,
            stability_steps=2,
        ),
        method=Method(
            tournament_fraction=0.5,
            window=10,
            initial_members=2,
            max_candidates=40,
            max_minutes=None,
        ),
        rerank=Rerank(top_k=2, width=1.0, steps=20, final_seeds=1),
        baselines=("bn_relu",),
    ),
    "paper-b": _PAPER_B,
    "paper-s": _PAPER_S,
    "paper-b-exact": _exact(_PAPER_B),
    "paper-s-exact": _exact(_PAPER_S),
}


def preset(name: str) -> Config:
    """A preset by name. Raises SearchError for an unknown one."""
    if name not in PRESETS:
        raise SearchError(f"--preset must be one of {', '.join(PRESETS)}. Received: {name!r}")
    return PRESETS[name]
