"""The studies that `python -m trainers.study` knows."""

from absl import flags

from trainers import command
from trainers.errors import TrainersError
from trainers.experiments.catalogue import BATCH_SIZES, CIFAR10_ANCHORS, DIGITS_NETWORKS, LAYERS
from trainers.studies.study import Study

_SHOWN = ("bn_relu", "gn_relu", "evonorm_b0", "evonorm_s0")
_FOUND = ("found_b0", "found_s0")  # what this project's searches found
# Three seeds show differences of some 8 points only, ten those of 2.
_MORE_SEEDS = dict.fromkeys((*_SHOWN, "frn"), 10)

STUDIES = {
    "digits_batch_sizes": Study(
        title="Digits, ResNet-small",
        baseline="bn_relu",
        layers=LAYERS,
        networks=("resnet_small",),
        settings={str(size): {"batch_size": size} for size in BATCH_SIZES},
        settings_title="images a step (learning rate scaled linearly)",
        seeds=3,
        config="digits",
        changes=[("16", "4")],
        more_seeds=_MORE_SEEDS,
        shown=_SHOWN,
    ),
    "digits_components": Study(
        title="Digits: the parts of EvoNorm-B0",
        baseline="evonorm_b0",
        layers=("evonorm_b0", "b0_no_v1x", "b0_no_local", "b0_no_global", "b0_max_to_add"),
        networks=("resnet_small",),
        settings={"16": {"batch_size": 16}},
        settings_title="images a step",
        seeds=10,
        config="digits",
    ),
    "cifar10_anchors": Study(
        title="CIFAR-10 (JPEG)",
        baseline="bn_relu",
        layers=(*LAYERS, *_FOUND),
        networks=CIFAR10_ANCHORS,
        settings={"64": {"images": 32_000}},
        settings_title="images a step",
        seeds=3,
        config="cifar10_short",
        shown=(*_SHOWN, *_FOUND),
    ),
    "cifar10_widths": Study(
        title="CIFAR-10 (JPEG)",
        baseline="bn_relu",
        layers=("bn_relu", "gn_relu", "evonorm_b0", "evonorm_s0", *_FOUND),
        networks=DIGITS_NETWORKS,
        settings={"4": {"images": 19_200, "width": 4.0}},
        settings_title="width, in multiples of the search's networks",
        seeds=3,
        config="cifar10_short",
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
