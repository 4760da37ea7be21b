"""The layer graph that `search.fit_graph` finds for a network, compared with known layers.

    python -m benchmarks.fitted_graph --network NETS/resnet_v1_0.keras --data-dir DATA --out FILE
        [--minutes 1] [--seed 1] [--groups 4]

FILE gets the found graph as JSON, which `benchmarks.conversion --layers FILE` takes; the shares of
variance that it and the known layers keep are written next to it, as Markdown.
"""

import argparse
import pathlib
from typing import Any

from benchmarks.cifar_networks import standardized
from evonorm_tf.files import write_whole

_EXAMPLES = 200


def main() -> None:
    """Searches, prints the table and writes the files."""
    options = _options()
    import tensorflow as tf

    import search
    from trainers import data

    images = data.load("cifar10", options.data_dir)
    model = tf.keras.models.load_model(options.network, compile=False)
    found = search.fit_graph(
        model,
        standardized(images.train.images[:_EXAMPLES], images),
        groups=options.groups,
        minutes=options.minutes,
        seed=options.seed,
    )
    write_whole(options.out, (found.graph.to_json() + "\n").encode())
    text = report(found)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def report(found: Any) -> str:
    """The shares of variance as a Markdown table, the largest first."""
    from evonorm_tf.graph.simplification import short_formula

    shares = {f"`{short_formula(found.graph)}`, of {found.tried} graphs": found.kept}
    shares |= {f"`{name}`": share for name, share in found.known.items()}
    lines = ["| layer | variance kept |", "| --- | ---: |"]
    for layer, share in sorted(shares.items(), key=lambda item: -item[1]):
        lines.append(f"| {layer} | {100 * share:.1f} % |")
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--network", type=pathlib.Path, required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--groups", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
