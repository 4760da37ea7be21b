"""Names of layers and algorithms, and durations, as the report and the display show them."""

from collections.abc import Mapping, Sequence

_SERIES = ("b0", "b1", "b2", "s0", "s1", "s2")
_LAYERS = {
    "bn_relu": "BN-ReLU",
    "bn_silu": "BN-SiLU",
    "gn_relu": "GN-ReLU",
    "gn_silu": "GN-SiLU",
    "frn": "FRN",
    "ln_relu": "LayerNorm-ReLU",
    "pixelnorm_relu": "PixelNorm-ReLU",
    **{f"evonorm_{series}": f"EvoNorm-{series.upper()}" for series in _SERIES},
}
_PLACES = {
    "searched": "searched",
    "affine": "x * gamma + beta",
    "kept": "left as they are",
}
_FEW = 3
_ALGORITHMS = {
    "evolution": "evolution",
    "random_rejection": "random search with rejection",
    "random": "random search without rejection",
}


def layer(name: str) -> str:
    """A registered layer's name as the paper writes it."""
    return _LAYERS.get(name, name)


def algorithm(name: str) -> str:
    """A configuration's `algorithm` in words."""
    return _ALGORITHMS.get(name, name)


def places(found: Mapping[str, Sequence[str]]) -> list[str]:
    """The places of a network in words, for each kind its number and the first few names."""
    return [
        f"{len(found[kind])} {words}: {', '.join(found[kind][:_FEW])}"
        + (", ..." if len(found[kind]) > _FEW else "")
        for kind, words in _PLACES.items()
        if found.get(kind)
    ]


def duration(seconds: float) -> str:
    """Seconds in words: "4.0 s", "12 min 5 s", "3 h 20 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
