"""How long the families of `tf.keras.applications` take to be calibrated, and how much they keep.

    python -m benchmarks.conversion_families --out FILE [--families ResNet50 ...] [--examples 80]

The networks have random weights and no labels, so agreement with the unconverted network is all
that can be measured; it says nothing about accuracies. The examples are smooth random images.
FILE keeps the results; a stopped run resumes with those that are missing. The report is also
written next to it, as Markdown.
"""

import argparse
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.resumable import Record

# The smallest member of each family, with the size of its images.
_FAMILIES = {
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "InceptionV3": 107,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "NASNetMobile": 64,
    "RegNetX002": 64,
    "ResNet50": 96,
    "ResNet50V2": 64,
    "ResNetRS50": 64,
    "Xception": 71,
}
_COARSE = 6  # colours of the smooth images on a grid of this size


def main() -> None:
    """Converts what is missing, and writes the results and the report."""
    options = _options()
    record = Record(options.out, {"examples": options.examples, "layer": options.layer})
    for family in options.families:
        if family not in record.scores:
            record.scores[family] = _converted(family, options.layer, options.examples)
            record.write()
            print(family, record.scores[family], flush=True)
    text = report(record.contents)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _converted(family: str, layer: str, count: int) -> dict[str, Any]:
    import tensorflow as tf

    import evonorm_tf as en

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(0)
    size = _FAMILIES[family]
    model = getattr(tf.keras.applications, family)(
        weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3)
    )
    start = time.perf_counter()
    _, said = en.convert_model(model, layer, calibrate=_images(count, size))
    seconds = time.perf_counter() - start
    kept = [place.kept for place in said.places if place.kept is not None]
    return {
        "size": size,
        "places": len(kept),
        "seconds": round(seconds),
        "median": float(np.median(kept)),
        "outputs": said.agreement and said.agreement.outputs,
    }


def _images(count: int, size: int) -> np.ndarray:
    """Random colours on a coarse grid, enlarged, with noise; from about -1 to 1."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    colours = tf.image.resize(rng.normal(0, 0.4, (count, _COARSE, _COARSE, 3)), (size, size))
    return (colours.numpy() + rng.normal(0, 0.15, (count, size, size, 3))).astype("float32")


def report(contents: Mapping[str, Any]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| network | images | places | seconds | variance kept at a place | of the outputs |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for family, row in sorted(contents["scores"].items()):
        size = f"{row['size']}x{row['size']}"
        lines.append(
            f"| {family} | {size} | {row['places']} | {row['seconds']} "
            f"| {100 * row['median']:.1f} % | {100 * row['outputs']:.1f} % |"
        )
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--families", nargs="+", choices=_FAMILIES, default=list(_FAMILIES))
    parser.add_argument("--layer", default="evonorm_s0")
    parser.add_argument("--examples", type=int, default=80)
    return parser.parse_args()


if __name__ == "__main__":
    main()
