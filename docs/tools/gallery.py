"""Writes the gallery: for each registered layer its formula, graph, response and gradient.

    make gallery                                      all of it
    python docs/tools/gallery.py --text FOLDER        the page alone, into a folder

The page is docs/gallery.md, its figures are in docs/gallery/.
"""

import argparse
import pathlib
import shutil

import evonorm_tf as en
from evonorm_tf import registry

DOCS = pathlib.Path(__file__).parent.parent
SCALES = (0.5, 1.0, 2.0)

_Z = r"z = \frac{x - \mu_{AXES}(x)}{\sqrt{s^2_{AXES}(x)}} \gamma + \beta"
_BATCH = _Z.replace("AXES", "b,w,h")
_GROUP = _Z.replace("AXES", "w,h,c/g")
_RMS = r"\frac{x}{\sqrt{\mu_{AXES}(x^2)}} \gamma + \beta"

# Gamma and beta come before these layers' activation, so that no layer graph is the same layer.
BASELINES = {
    "bn_relu": (r"\max(z, 0), \quad " + _BATCH, "BatchNormReLU"),
    "bn_silu": (r"z \, \sigma(v z), \quad " + _BATCH, "BatchNormSiLU"),
    "gn_relu": (r"\max(z, 0), \quad " + _GROUP, "GroupNormReLU"),
    "gn_silu": (r"z \, \sigma(v z), \quad " + _GROUP, "GroupNormSiLU"),
    "frn": (r"\max\left(" + _RMS.replace("AXES", "w,h") + r", v\right)", "FilterResponseNorm"),
    "ln_relu": (r"\max(z, 0), \quad " + _Z.replace("AXES", "w,h,c"), "LayerNormReLU"),
    "pixelnorm_relu": (
        r"\max\left(" + _RMS.replace("AXES", "c") + r", 0\right)",
        "PixelNormReLU",
    ),
}
CHAPTERS = (
    (
        "EvoNorms",
        "The six layers that the search of the paper found (tables 1, 3 and 4).",
        (
            "evonorm_b0",
            "evonorm_b1",
            "evonorm_b2",
            "evonorm_s0",
            "evonorm_s1",
            "evonorm_s2",
        ),
    ),
    (
        "Baselines",
        "The layers that the paper compares them with (tables 3, 4, 6 and 8). Gamma and beta come "
        "before the activation, so these layers have no graph in the search space.",
        tuple(BASELINES),
    ),
    (
        "Found by random search",
        "Layers of other search methods (table 3): random graphs (`random`), random graphs that "
        "pass the quality test (`random_rej`), and random search with rejections (`rs_rej`).",
        ("random", "random_rej", "rs_rej"),
    ),
    (
        "Found by this project's searches",
        "Layers that searches from random graphs found here, on small images. "
        "[Discovery](experiments/discovery.md) tells how, and where they are better than BN-ReLU "
        "and where not.",
        ("found_b0", "found_b1", "found_s0"),
    ),
    (
        "Broken variants of EvoNorm-B0",
        "EvoNorm-B0 with one part taken away or replaced (table 7). Each change "
        "cripples the training of networks.",
        ("b0_no_v1x", "b0_no_local", "b0_no_global", "b0_max_to_add"),
    ),
)

_HEAD = """\
# Gallery

Every registered layer: its formula, its graph, and its response.

A formula's indices say over which axes a mean $\\mu$ or a variance $s^2$ is taken: batch $b$, width
$w$, height $h$, channels $c$, or a group of channels $c/g$. $\\sigma$ is the sigmoid, and $v$ (in
graphs $v_1$) is a trainable vector that starts at 1, in FRN at 0. Epsilon is inside each square
root and omitted here.

In a graph, data flows from the bottom to the top; gamma and beta follow the green node.

The plots show one element of the output (left), and its derivative with respect to the same element
of the input (right), while that element moves from -4 to 4 and all others stay. The others are
drawn from a normal distribution: 8 images of 16x16 pixels with 8 channels, of standard deviation 1.
The image of the element that moves has a standard deviation of 0.5, 1 or 2. Where the three curves
agree, a layer does not use the image's own statistics; where they differ, it does. Layers with
batch statistics are shown in training mode.

`make gallery` writes this page and its figures.
"""


def page():
    """The page's Markdown."""
    parts = [_HEAD]
    for title, text, names in CHAPTERS:
        parts.append(f"## {title}\n\n{text}\n")
        parts.extend(_section(name) for name in names)
    return "\n".join(parts)


def _section(name):
    graph = registry.graph(name)
    formula = BASELINES[name][0] if name in BASELINES else graph.latex()
    lines = [f"### {name}", "", _made_by(name), "", f"$$\n{formula}\n$$", ""]
    if graph is not None:
        lines.append(f"![The graph of {name}](gallery/{name}_graph.svg){{ .graph }}")
    lines.append(f"![Response and gradient of {name}](gallery/{name}.svg){{ .response }}")
    return "\n".join([*lines, ""])


def _made_by(name):
    layer = registry.layer_class(name)
    if layer is None:
        return f'`en.get("{name}")`: a layer graph alone, which `GraphLayer` runs.'
    link = f"[`en.{layer.__name__}`](api/layers.md#evonorm_tf.{layer.__name__})"
    return f'{link}, `en.get("{name}")`'


def response(name, scale, points):
    """Output of one element and its derivative, while the element takes the given values."""
    import numpy as np
    import tensorflow as tf

    layer = en.get(name)
    base = np.random.default_rng(0).normal(size=(8, 16, 16, 8)).astype("float32")
    base[0] *= scale
    place = np.zeros_like(base)
    place[0, 8, 8, 0] = 1.0
    rest = tf.constant(base * (1.0 - place))

    @tf.function
    def at(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            y = layer(rest + value * place, training=True)[0, 8, 8, 0]
        return y, tape.gradient(y, value)

    values = np.array([[number.numpy() for number in at(tf.constant(p))] for p in points])
    return values[:, 0], values[:, 1]


def draw_response(name, path):
    """The figure of one layer: its response on the left, its derivative on the right."""
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "evonorm"
    points = np.linspace(-4.0, 4.0, 161, dtype="float32")
    figure, axes = pyplot.subplots(1, 2, figsize=(5.2, 2.3))
    for scale, color in zip(SCALES, ("#1f77b4", "#222222", "#d62728"), strict=True):
        curves = response(name, scale, points)
        for axis, curve in zip(axes, curves, strict=True):
            axis.plot(points, curve, color=color, label=f"{scale:g}")
    for axis, title in zip(axes, ("response", "gradient"), strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("input", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.3)
    axes[0].legend(title="image's deviation", title_fontsize=8, fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write_figures(folder):
    """All figures of the gallery, in a folder that is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in en.names():
        graph = registry.graph(name)
        if graph is not None:
            graph.draw(folder / f"{name}_graph.svg")
        draw_response(name, folder / f"{name}.svg")


def main():
    """Writes the page, and without --text the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=pathlib.Path, help="folder for the page alone")
    arguments = parser.parse_args()
    (arguments.text or DOCS).joinpath("gallery.md").write_text(page(), encoding="utf-8")
    if not arguments.text:
        write_figures(DOCS / "gallery")


if __name__ == "__main__":
    main()
