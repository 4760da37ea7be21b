"""The experiments that `tables` does not have: reranking, COCO, GANs, CIFAR-10, digits, shapes.

The modules of those names have their configurations, `imagenet` those of the reranking.
"""

from trainers.experiments.registry import Experiment, add, made_by

# Table 5, Mask R-CNN: box AP / mask AP.
TABLE_5 = {
    "r50_fpn": {
        "bn_relu": "42.1 / 37.8",
        "bn_silu": "43.1 / 38.4",
        "evonorm_b0": "44.0 / 39.5",
        "gn_relu": "42.7 / 38.4",
        "evonorm_s0": "43.6 / 39.4",
    },
    "spinenet96": {
        "bn_relu": "47.1 / 41.5",
        "bn_silu": "47.6 / 42.0",
        "evonorm_b0": "48.0 / 42.4",
        "gn_relu": "45.7 / 41.0",
        "evonorm_s0": "47.5 / 42.1",
    },
}
# Table 6: Inception Score and FID, medians of three seeds, with the best seed where it is given.
TABLE_6 = {
    "bn_relu": "IS 118.77 (best 124.01), FID 7.85 (best 7.29)",
    "evonorm_b0": "IS 101.13 (best 113.63), FID 6.91 (best 5.87)",
    "gn_relu": "IS 99.09, FID 8.14",
    "ln_relu": "IS 91.56, FID 8.35",
    "pixelnorm_relu": "IS 88.58, FID 10.41",
    "evonorm_s0": "IS 104.64 (best 113.96), FID 6.86 (best 6.26)",
}
# The layers of the digits and of CIFAR-10.
LAYERS = (
    "bn_relu",
    "bn_silu",
    "gn_relu",
    "gn_silu",
    "frn",
    "ln_relu",
    "pixelnorm_relu",
    "evonorm_b0",
    "evonorm_b1",
    "evonorm_b2",
    "evonorm_s0",
    "evonorm_s1",
    "evonorm_s2",
)
BATCH_SIZES = (4, 16, 128)  # images in a step of the digits
DIGITS_NETWORKS = ("resnet_small", "mobilenet_v2_small", "efficientnet_small")
CIFAR10_ANCHORS = ("resnet50_cifar", "mobilenet_v2_cifar", "efficientnet_b0_cifar")
# The networks in which the paper ranks the ten best layers of a search again, and their hardware.
RERANKING = {
    "resnet50": "8 TPU cores (128 images each)",
    "mobilenet_v2": "32 TPU cores (128 images each)",
    "efficientnet_b0": "32 TPU cores (128 images each)",
}
SHAPES_LAYERS = ("bn_relu", "gn_relu", "evonorm_b0", "evonorm_s0")
_SECONDS, _MINUTES = "one CPU core, seconds", "one CPU core, minutes"
_STUDY = "see docs/trainers/digits_batch_sizes.md"


def reranking_experiment(network: str) -> str:
    """The name of a network's experiment in the reranking; its layer is to be replaced."""
    return f"imagenet_{network}_rerank_bn_relu"


def _add_reranking() -> None:
    for network, hardware in RERANKING.items():
        build = made_by("imagenet", "reranking", network, "bn_relu")
        add(Experiment(reranking_experiment(network), build, hardware=hardware))


def _add_coco() -> None:
    hardware = "8 TPU cores (8 images each)"
    for backbone, figures in TABLE_5.items():
        for layer, scores in figures.items():
            name, build = (
                f"coco_maskrcnn_{backbone}_{layer}",
                made_by("coco", "config", backbone, layer),
            )
            add(Experiment(name, build, "table 5", f"{scores} (box AP / mask AP)", hardware))


def _add_gans() -> None:
    hardware = "128 TPU v3 cores (16 images each)"
    for layer, scores in TABLE_6.items():
        name, build = f"imagenet_biggan_deep_{layer}", made_by("biggan", "imagenet", layer)
        add(Experiment(name, build, "table 6", scores, hardware))
    for layer in TABLE_6:
        name, build = f"digits_biggan_{layer}", made_by("biggan", "digits", layer)
        add(Experiment(name, build, hardware=_MINUTES, status="see docs/gan.md"))


def _add_digits() -> None:
    for network in DIGITS_NETWORKS:
        status = _STUDY if network == DIGITS_NETWORKS[0] else "not yet run"
        for layer in LAYERS:
            name, build = (
                f"digits_{network}_{layer}",
                made_by("digits", "config", layer, 128, network),
            )
            add(Experiment(name, build, hardware=_SECONDS, status=status))
    for layer in LAYERS:
        for size in BATCH_SIZES[:-1]:
            name, build = (
                f"digits_resnet_small_{layer}_batch{size}",
                made_by("digits", "config", layer, size),
            )
            add(Experiment(name, build, hardware=_SECONDS, status=_STUDY))


def _add_cifar10() -> None:
    hardware = "one GPU or TPU core, under an hour"
    for anchor in CIFAR10_ANCHORS:
        for layer in LAYERS:
            name, build = f"cifar10_{anchor}_{layer}", made_by("cifar10", "config", anchor, layer)
            add(Experiment(name, build, hardware=hardware))


def _add_shapes() -> None:
    for layer in SHAPES_LAYERS:
        name, build = f"shapes_maskrcnn_{layer}", made_by("shapes", "config", layer)
        add(Experiment(name, build, hardware=_MINUTES, status="see docs/detection.md"))


_add_reranking()
_add_coco()
_add_gans()
_add_digits()
_add_cifar10()
_add_shapes()
