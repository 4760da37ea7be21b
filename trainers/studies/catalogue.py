"""The studies that `python -m trainers.study` knows."""

from absl import flags

from trainers import command
from trainers.errors import TrainersError
from trainers.experiments.catalogue import (
    BATCH_SIZES,
    CIFAR10_ANCHORS,
    DIGITS_NETWORKS,
    LAYERS,
    SHAPES_LAYERS,
    TABLE_6,
)
from trainers.studies.study import Score, Study

_SHOWN = ("bn_relu", "gn_relu", "evonorm_b0", "evonorm_s0")
_COMPARED = (*_SHOWN, "frn")  # with more seeds than the others
_FOUND = ("found_b0", "found_b1", "found_s0")  # what this project's searches found
_COMPONENTS = ("evonorm_b0", "b0_no_v1x", "b0_no_local", "b0_no_global", "b0_max_to_add")  # table 7
# Three seeds show differences of some 8 points only, ten those of 2.
_MORE_SEEDS = dict.fromkeys(_COMPARED, 10)


def _named(*networks: str) -> dict[str, dict[str, str]]:
    """Networks by name, which is their argument too."""
    return {network: {"network": network} for network in networks}


STUDIES = {
    "digits_batch_sizes": Study(
        title="Digits, ResNet-small",
        baseline="bn_relu",
        layers=LAYERS,
        networks=_named("resnet_small"),
        settings={str(size): {"batch_size": size, "split": "test"} for size in BATCH_SIZES},
        settings_title="images a step (learning rate scaled linearly)",
        seeds=3,
        config="digits.config",
        changes=[("16", "4")],
        more_seeds=_MORE_SEEDS,
        shown=_SHOWN,
    ),
    "digits_components": Study(
        title="Digits: the parts of EvoNorm-B0",
        baseline="evonorm_b0",
        layers=_COMPONENTS,
        networks=_named("resnet_small"),
        settings={"16": {"batch_size": 16, "split": "test"}},
        settings_title="images a step",
        seeds=10,
        config="digits.config",
    ),
    "cifar10_components": Study(
        title="CIFAR-10 (JPEG): the parts of EvoNorm-B0",
        baseline="evonorm_b0",
        layers=_COMPONENTS,
        networks=_named("resnet_small"),
        settings={"64": {"images": 19_200, "width": 2.0, "warmup": 0.2}},
        settings_title="images a step",
        seeds=10,
        config="cifar10_short.config",
    ),
    "cifar10_anchors": Study(
        title="CIFAR-10 (JPEG)",
        baseline="bn_relu",
        layers=(*LAYERS, *_FOUND),
        networks=_named(*CIFAR10_ANCHORS),
        settings={"100": {"images": 32_000, "warmup": 0.2}},
        settings_title="steps of warm-up, of 500 steps",
        seeds=3,
        config="cifar10_short.config",
        more_seeds=dict.fromkeys(_COMPARED, 5),
        shown=(*_SHOWN, *_FOUND),
    ),
    "cifar10_short_warmup": Study(
        title="CIFAR-10 (JPEG)",
        baseline="bn_relu",
        layers=("bn_relu", "evonorm_b0", "found_b0"),
        networks=_named(*CIFAR10_ANCHORS),
        settings={"50": {"images": 32_000}},
        settings_title="steps of warm-up, of 500 steps",
        seeds=3,
        config="cifar10_short.config",
    ),
    "cifar10_batch_sizes": Study(
        title="CIFAR-10 (JPEG)",
        baseline="bn_relu",
        layers=(*_COMPARED, "found_s0"),
        networks=_named("resnet_small", "mobilenet_v2_small"),
        settings={
            str(size): {"images": 32_000, "width": 2.0, "batch_size": size, "warmup": 0.2}
            for size in (4, 16, 64, 256)
        },
        settings_title="images a step (learning rate scaled linearly)",
        seeds=5,
        config="cifar10_short.config",
        changes=[("64", "4")],
    ),
    "cifar10_widths": Study(
        title="CIFAR-10 (JPEG)",
        baseline="bn_relu",
        layers=("bn_relu", "gn_relu", "evonorm_b0", "evonorm_s0", *_FOUND),
        networks=_named(*DIGITS_NETWORKS),
        settings={"4": {"images": 19_200, "width": 4.0}},
        settings_title="width, in multiples of the search's networks",
        seeds=3,
        config="cifar10_short.config",
    ),
    "digits_gan": Study(
        title="BigGAN-deep on the digits",
        baseline="bn_relu",
        layers=tuple(TABLE_6),
        networks={"BigGAN-deep": {}},
        settings={"32": {}},
        settings_title="images a step",
        seeds=3,
        config="biggan.digits",
        scores=(Score("inception_score", "Inception Score"), Score("fid", "FID (lower is better)")),
    ),
    "shapes_detection": Study(
        title="Mask R-CNN on drawn shapes",
        baseline="bn_relu",
        layers=SHAPES_LAYERS,
        networks={"Mask R-CNN": {}},
        settings={"2": {"split": "test"}},
        settings_title="images a step",
        seeds=3,
        config="shapes.config",
        scores=(Score("AP", "box AP", percent=True), Score("mask_AP", "mask AP", percent=True)),
    ),
}


def check_arguments(arguments: list[str]) -> None:
    """Raises TrainersError for a study, or a layer of --layers, that there is not."""
    for name in command.named(arguments, f"study of {', '.join(STUDIES)}"):
        if name not in STUDIES:
            raise TrainersError(f"there is no study {name!r}; there are {', '.join(STUDIES)}")
        for layer in flags.FLAGS.layers:
            if layer not in STUDIES[name].layers:
                layers = ", ".join(STUDIES[name].layers)
                raise TrainersError(f"{name} has no layer {layer!r}; it has {layers}")
