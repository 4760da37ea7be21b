"""What a search is told: space, evaluation, method, reranking and cluster, and the presets.

The defaults are the paper's search for batch-dependent layers (EvoNorm-B). Where the paper
leaves a value open, the comment says "ours"; "(A)" marks a value of its appendix.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from search.errors import SearchError

ALGORITHMS = ("evolution", "random_rejection", "random")
CRITERIA = ("pareto", "average")
SCHEDULES = ("constant", "cosine")
EXECUTORS = ("local", "ray")


@dataclasses.dataclass(frozen=True)
class Space:
    """Which graphs there are (paper section 3)."""

    num_nodes: int = 10  # paper: 10
    batch_independent: bool = False  # paper: False for the B series, True for the S series


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What happens to a candidate (paper section 4.2, appendices B and C)."""

    data: str = "cifar10"  # paper: CIFAR-10
    data_dir: str | None = None  # where TFDS keeps its data
    # In order of cost: the first failure ends an evaluation. Paper: these three.
    anchors: tuple[str, ...] = ("mobilenet_v2_cifar", "efficientnet_b0_cifar", "resnet50_cifar")
    groups: int = 32  # paper: 32 (A)
    batch_size: int = 128  # paper: 128 (A)
    crop: int | None = 24  # side of the random training crops; paper: 24 (A)
    steps: int = 2000  # paper: 2000 for B, 5000 for S (A)
    learning_rate: float = 0.1  # paper: 0.1 (A)
    schedule: str = "constant"  # paper: constant for B, cosine for S (A)
    momentum: float = 0.9  # Nesterov; paper: 0.9 (A)
    weight_decay: float = 1e-4  # of kernels, not of the layer's own weights; paper: 1e-4 (A)

    free_rejections: bool = True  # ours: constant, non-finite, ... on probe tensors
    reject_flat: bool = False  # ours: one of them, layers that are the same at all places
    equivalence_cache: bool = True  # ours: a function is trained once
    audit_fraction: float = 0.0  # ours: share of the cache's hits that are trained anyway

    quality_test: bool = True  # paper: True
    quality_steps: int = 100  # paper: 100
    quality_ratio: float = 2.0  # least accuracy over random guess; paper: 2 (20% of CIFAR-10)

    stability_test: bool = True  # paper: True
    stability_steps: int = 100  # paper: up to 100
    stability_limit: float = 1e8  # of the gradient's norm; paper: 1e8
    stability_batch: int = 32  # paper: "a small batch"
    stability_rate: float = 0.1  # ours: step size of the gradient ascent
    stability_anchors: int = 3  # ours: on how many of the anchors, the cheapest first


@dataclasses.dataclass(frozen=True)
class Method:
    """How candidates come about (paper sections 4.1 and 4.3)."""

    algorithm: str = "evolution"  # or random_rejection, random: the baselines of figure 6
    criterion: str = "pareto"  # paper: pareto; or average
    tournament_fraction: float = 0.05  # of the active population; paper: 0.05 (A)
    window: int = 2500  # most recent members that stay active; paper: 2500 (A)
    mutations: int = 2  # of the winner; paper: 2 (A)
    fresh_fraction: float = 0.5  # offspring that are new random graphs; paper: 0.5 (A)
    initial_members: int = 100  # ours: accepted random graphs before the first tournament
    max_candidates: int | None = None  # genotypes to sample
    max_evaluated: int | None = None  # genotypes to train, if only for the first test
    max_trained: int | None = None  # genotypes to accept after full training
    max_minutes: float | None = 2880.0  # paper: 2 days
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Rerank:
    """The second, closer look at the best (paper section 4.4, appendix C)."""

    top_k: int = 10  # paper: 10 (A)
    width: float = 4.0  # factor on the anchors' widths; 4 gives ResNet-50 its full width
    steps: int = 5000  # ours; the paper trains on ImageNet
    held_out: float = 0.1  # share of train and validation; paper: 10% (A)
    final_seeds: int = 3  # ours: trainings of the winner and the baselines, on the test split


@dataclasses.dataclass(frozen=True)
class Ray:
    """The cluster, and what each stage of an evaluation takes there (`executor` "ray")."""

    address: str | None = None  # of a cluster, "auto" for this machine's; None starts one here
    workers: int | None = None  # evaluations at once; None: as many as there is room for
    # Each stage is a task of its own; whole CPUs are TensorFlow's threads too.
    probe_cpus: float = 1.0
    quality_cpus: float = 1.0  # paper: two-core workers
    stability_cpus: float = 1.0
    training_cpus: float = 1.0
    memory_gb: float = 0.0  # that a stage after the probe reserves; 0: none
    # From its start on; a stage that takes longer is stuck: ended, and tried again.
    probe_minutes: float = 10.0
    quality_minutes: float = 240.0
    stability_minutes: float = 240.0
    training_minutes: float = 1440.0


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a run.

    `executor`, `workers` and `ray` say where the work is done, and change no outcome of a
    candidate as long as a stage has one CPU.
    """

    preset: str = "paper-b"
    space: Space = Space()
    evaluation: Evaluation = Evaluation()
    method: Method = Method()
    rerank: Rerank = Rerank()
    baselines: tuple[str, ...] = ("bn_relu", "evonorm_b0", "evonorm_s0")
    workers: int = 1  # processes of the executor "local"
    task_minutes: float = 1440.0  # after which such a process is replaced
    executor: str = "local"
    ray: Ray = Ray()

    @property
    def rejects(self) -> bool:
        """Whether candidates can be rejected at all: not in the plain random search."""
        return self.method.algorithm != "random"

    def to_dict(self) -> dict[str, Any]:
        """As nested dictionaries of JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """The inverse of `to_dict`. Raises SearchError for an unknown or ill-typed field."""
        return _build(cls, values, "")

    def override(self, settings: Sequence[str]) -> "Config":
        """A copy with "section.field=value" applied. Raises SearchError for a bad one."""
        values = self.to_dict()
        for setting in settings:
            path, separator, text = setting.partition("=")
            *sections, name = path.strip().split(".")
            target = values
            for section in sections:
                target = target.get(section) if isinstance(target, dict) else None
            if not separator or not isinstance(target, dict) or name not in target:
                raise SearchError(
                    f"an override must be section.field=value with a known field. "
                    f"Received: {setting!r}"
                )
            target[name] = _parse(text)
        return Config.from_dict(values)


_DIGITS = Evaluation(
    data="digits",
    anchors=("mobilenet_v2_small", "efficientnet_small", "resnet_small"),
    groups=4,
    batch_size=32,
    crop=None,
    steps=200,
    learning_rate=0.05,
    schedule="cosine",
    reject_flat=True,
    stability_steps=25,
    stability_batch=16,
    stability_anchors=1,
)
_PAPER_RAY = Ray(quality_cpus=2.0, stability_cpus=2.0, training_cpus=2.0)
PRESETS = {
    "demo": Config(
        preset="demo",
        task_minutes=20.0,
        evaluation=_DIGITS,
        method=Method(tournament_fraction=0.2, window=60, initial_members=1, max_minutes=6.5),
        rerank=Rerank(top_k=5, width=2.0, steps=200, final_seeds=3),
        workers=2,
    ),
    "smoke": Config(
        preset="smoke",
        task_minutes=20.0,
        space=Space(num_nodes=5),
        evaluation=dataclasses.replace(
            _DIGITS,
            anchors=("mobilenet_v2_small",),
            steps=30,
            learning_rate=0.1,
            quality_steps=15,
            reject_flat=False,
            quality_ratio=1.0,
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
    "paper-b": Config(ray=_PAPER_RAY),
    "paper-s": Config(
        preset="paper-s",
        ray=_PAPER_RAY,
        space=Space(batch_independent=True),
        evaluation=Evaluation(steps=5000, schedule="cosine"),
    ),
}


def preset(name: str) -> Config:
    """A preset by name. Raises SearchError for an unknown one."""
    if name not in PRESETS:
        raise SearchError(f"--preset must be one of {', '.join(PRESETS)}. Received: {name!r}")
    return PRESETS[name]


_RANGES = {
    "num_nodes": (1, 64),
    "groups": (1, None),
    "batch_size": (1, None),
    "crop": (1, None),
    "steps": (1, None),
    "learning_rate": (0, None),
    "momentum": (0, 1),
    "weight_decay": (0, None),
    "audit_fraction": (0, 1),
    "quality_steps": (1, None),
    "quality_ratio": (0, None),
    "stability_steps": (1, None),
    "stability_limit": (0, None),
    "stability_batch": (1, None),
    "stability_rate": (0, None),
    "stability_anchors": (1, None),
    "tournament_fraction": (0, 1),
    "window": (1, None),
    "mutations": (1, None),
    "fresh_fraction": (0, 1),
    "initial_members": (1, None),
    "max_candidates": (1, None),
    "max_evaluated": (1, None),
    "max_trained": (1, None),
    "max_minutes": (0, None),
    "seed": (0, 2**31 - 1),
    "top_k": (1, None),
    "width": (0, None),
    "held_out": (0, 1),
    "final_seeds": (1, None),
    "workers": (1, None),
    "task_minutes": (0, None),
    "probe_cpus": (0.01, None),
    "quality_cpus": (0.01, None),
    "stability_cpus": (0.01, None),
    "training_cpus": (0.01, None),
    "memory_gb": (0, None),
    "probe_minutes": (0, None),
    "quality_minutes": (0, None),
    "stability_minutes": (0, None),
    "training_minutes": (0, None),
}
_CHOICES = {
    "algorithm": ALGORITHMS,
    "criterion": CRITERIA,
    "schedule": SCHEDULES,
    "executor": EXECUTORS,
}


def _build(cls: type, values: Mapping[str, Any], where: str) -> Any:
    types = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise SearchError(f"the configuration has no field {where}{unknown[0]}")
    fields = {
        name: _build(types[name], value, f"{where}{name}.")
        if dataclasses.is_dataclass(types[name])
        else _checked(where + name, name, types[name], value)
        for name, value in values.items()
    }
    return cls(**fields)


def _checked(where: str, name: str, kind: Any, value: Any) -> Any:
    kinds = typing.get_args(kind) if typing.get_origin(kind) is not tuple else ()
    kinds = kinds or (kind,)
    if value is None and type(None) in kinds:
        return None
    if typing.get_origin(kind) is tuple and isinstance(value, (str, list, tuple)):
        value = (value,) if isinstance(value, str) else tuple(value)
        good = all(isinstance(item, str) for item in value) and (value or name != "anchors")
    elif float in kinds:
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        value = float(value) if good else value
    else:
        good = type(value) in kinds
    low, high = _RANGES.get(name, (None, None))
    if good and low is not None:
        good = value >= low and (high is None or value <= high)
    if good and name in _CHOICES:
        good = value in _CHOICES[name]
    if not good:
        raise SearchError(f"{where} cannot be {value!r}{_rule(name)}")
    return value


def _rule(name: str) -> str:
    if name in _CHOICES:
        return f": it is one of {', '.join(_CHOICES[name])}"
    if name in _RANGES:
        low, high = _RANGES[name]
        return f": it is a number from {low}" + ("" if high is None else f" to {high}")
    return ""


def _parse(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return tuple(text.split(",")) if "," in text else text
