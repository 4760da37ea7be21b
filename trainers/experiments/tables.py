"""The paper's tables 3, 4, 7 and 8 on ImageNet: every cell a named experiment with its figure."""

from trainers.experiments.registry import Experiment, add, made_by

_THIRTY_TWO = "32 TPU cores (128 images each; 64 for EfficientNet-B5)"

# Table 3, ImageNet top-1 in percent: the four settings of ResNet-50, then MobileNetV2,
# MnasNet-B1, EfficientNet-B0 and B5.
TABLE_3 = {
    "bn_relu": ("76.3", "76.2", "77.6", "77.7", "73.4", "74.6", "76.4", "83.6"),
    "bn_silu": ("76.6", "77.3", "78.2", "78.2", "74.5", "75.3", "77.0", "83.5"),
    "random": ("1e-3",) * 8,
    "random_rej": ("71.7", "70.8", "63.6", "55.3") + ("1e-3",) * 4,
    "rs_rej": ("75.8", "76.3", "77.4", "77.5", "73.5", "74.6", "76.4", "83.2"),
    "evonorm_b0": ("76.6", "77.7", "77.9", "78.4", "75.0", "75.3", "76.8", "83.6"),
    "evonorm_b1": ("76.1", "77.5", "77.7", "78.0", "74.6", "75.1", "76.5", "83.6"),
    "evonorm_b2": ("76.6", "77.7", "78.0", "78.4", "74.6", "75.0", "76.6", "83.4"),
}
SETTINGS = ("", "aug", "aug_2x", "aug_2x_cos")

# Table 4: ResNet-50 original at 1024 and 32 images, +aug+2x+cos at 1024 and 32,
# MobileNetV2 at 4096 and 128.
TABLE_4 = {
    "bn_relu": ("76.3", "70.9", "77.7", "70.5", "73.4", "66.7"),
    "gn_relu": ("75.3", "75.8", "77.1", "77.2", "72.2", "72.4"),
    "frn": ("75.6", "75.9", "54.7", "77.4", "73.4", "73.5"),
    "evonorm_s0": ("76.1", "76.5", "78.3", "78.3", "73.9", "74.0"),
    "evonorm_s1": ("76.1", "76.3", "78.2", "78.2", "73.6", "73.7"),
    "evonorm_s2": ("76.0", "76.3", "77.9", "78.0", "73.7", "73.8"),
}
# The figure beside table 4: 128 to 4 images on each of 8 workers, and on each of 32.
SWEEP = (1024, 512, 256, 128, 64, 32)
MOBILENET_SWEEP = (4096, 2048, 1024, 512, 256, 128)
_POINT = "a point of its figure"
# Appendix E has table 4's layers in all four settings; its figures are not in the main text.
APPENDIX_E_SETTINGS = ("aug", "aug_2x")
_APPENDIX_E, _NOT_STATED = "appendix E", "not in the main text"

# Table 7: three seeds, at the point of NaN where that occurred.
TABLE_7 = {
    "b0_no_v1x": "14.4, 50.5, 22.0",
    "b0_no_local": "4.2, 4.1, 4.1",
    "b0_no_global": "1e-3, 1e-3, 1e-3",
    "b0_max_to_add": "1e-3, 1e-3, 1e-3",
}
# Table 8, beyond what table 4 has: ResNet-50 and MobileNetV2 at 4 images a worker.
TABLE_8 = {"gn_silu": ("76.5", "73.1")}


def _resnet(layer: str, setting: str, batch_size: int, table: str, figure: str) -> None:
    parts = [
        "imagenet_resnet50",
        setting,
        layer,
        "" if batch_size == 1024 else f"batch{batch_size}",
    ]
    hardware = f"8 TPU cores ({batch_size // 8} images each)"
    build = made_by("imagenet", "resnet50", layer, batch_size, setting)
    add(Experiment("_".join(filter(None, parts)), build, table, figure, hardware))


def _mobilenet(layer: str, batch_size: int, table: str, figure: str) -> None:
    """MobileNetV2 as in the batch-independent tables, at 0.03 per 256 images."""
    suffix = "" if batch_size == 4096 else f"_batch{batch_size}"
    build = made_by("imagenet", "mobile", "mobilenet_v2", layer, batch_size, 0.03)
    hardware = f"32 TPU cores ({batch_size // 32} images each)"
    add(Experiment(f"imagenet_mobilenet_v2_lr03_{layer}{suffix}", build, table, figure, hardware))


def _add_table_3() -> None:
    for layer, figures in TABLE_3.items():
        for setting, figure in zip(SETTINGS, figures[:4], strict=True):
            _resnet(layer, setting, 1024, "table 3", figure)
        others = {
            "mobilenet_v2": made_by("imagenet", "mobile", "mobilenet_v2", layer),
            "mnasnet_b1": made_by("imagenet", "mobile", "mnasnet_b1", layer),
            "efficientnet_b0": made_by(
                "imagenet", "efficientnet", "efficientnet_b0", layer, 224, 4096
            ),
            "efficientnet_b5": made_by(
                "imagenet", "efficientnet", "efficientnet_b5", layer, 456, 2048
            ),
        }
        for (network, build), figure in zip(others.items(), figures[4:], strict=True):
            add(Experiment(f"imagenet_{network}_{layer}", build, "table 3", figure, _THIRTY_TWO))


def _add_table_4() -> None:
    for layer, figures in TABLE_4.items():
        for setting, (large, small) in (("", figures[:2]), ("aug_2x_cos", figures[2:4])):
            for batch_size in SWEEP:
                if batch_size == 1024 and layer in TABLE_3:
                    continue  # the same training as in table 3
                figure = {1024: large, 32: small}.get(batch_size, _POINT)
                _resnet(layer, setting, batch_size, "table 4", figure)
        for batch_size in MOBILENET_SWEEP:
            figure = {4096: figures[4], 128: figures[5]}.get(batch_size, _POINT)
            _mobilenet(layer, batch_size, "table 4", figure)


def _add_appendix_e() -> None:
    for layer in TABLE_4:
        for setting in APPENDIX_E_SETTINGS:
            for batch_size in (SWEEP[0], SWEEP[-1]):
                if batch_size == 1024 and layer in TABLE_3:
                    continue  # the same training as in table 3
                _resnet(layer, setting, batch_size, _APPENDIX_E, _NOT_STATED)


def _add_tables_7_and_8() -> None:
    for layer, figure in TABLE_7.items():
        _resnet(layer, "", 1024, "table 7", figure)
    for layer, (resnet, mobilenet) in TABLE_8.items():
        _resnet(layer, "", 32, "table 8", resnet)
        _mobilenet(layer, 128, "table 8", mobilenet)


_add_table_3()
_add_table_4()
_add_appendix_e()
_add_tables_7_and_8()
