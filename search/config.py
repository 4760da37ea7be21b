"""The configuration of a search: space, evaluation, method, reranking, cluster; and the presets.

The defaults are the paper's search for batch-dependent layers (EvoNorm-B). Where the paper
leaves a value open, the comment says "ours"; "(A)" marks a value of its appendix.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema

from search.errors import SearchError
from search.validation import rule, violation


@dataclasses.dataclass(frozen=True)
class _Between:
    """A number of the annotated type, at least `low` and, if given, at most `high`."""

    low: float
    high: float | None = None

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = f"it is a number from {self.low}" + ("" if self.high is None else f" to {self.high}")
        limits = Field(strict=True, ge=self.low, le=self.high)
        return handler.generate_schema(Annotated[kind, limits, rule(text)])


class _OneOf:
    """One of the names of the annotated `Literal`."""

    def __get_pydantic_core_schema__(
        self, literal: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = f"it is one of {', '.join(get_args(literal))}"
        return handler.generate_schema(Annotated[literal, rule(text)])


def _as_tuple(value: Any) -> Any:
    """Makes a tuple of a list or of a single name; returns other values as they are."""
    value = (value,) if isinstance(value, str) else value
    return tuple(value) if isinstance(value, list) else value


Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Text: TypeAlias = Annotated[str, Field(strict=True)]
Names: TypeAlias = Annotated[tuple[Text, ...], rule(""), BeforeValidator(_as_tuple)]
Count: TypeAlias = Annotated[int, _Between(1)]
Amount: TypeAlias = Annotated[float, _Between(0)]
Share: TypeAlias = Annotated[float, _Between(0, 1)]
Cpus: TypeAlias = Annotated[float, _Between(0.01)]
Inputs: TypeAlias = Annotated[Literal["images", "series", "volumes", "tokens"], _OneOf()]
Schedule: TypeAlias = Annotated[Literal["constant", "cosine"], _OneOf()]
Algorithm: TypeAlias = Annotated[Literal["evolution", "random_rejection", "random"], _OneOf()]
Criterion: TypeAlias = Annotated[Literal["pareto", "average"], _OneOf()]
Executor: TypeAlias = Annotated[Literal["local", "ray"], _OneOf()]


class _Section:
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclasses.dataclass(frozen=True)
class Space(_Section):
    """The graphs of the search space (paper section 3)."""

    num_nodes: Annotated[int, _Between(1, 64)] = 10  # paper: 10
    batch_independent: Flag = False  # paper: False for the B series, True for the S series
    # ours: what a node draws from, such as paper,MEAN:WH=2,SOFTPLUS (docs/own_primitives.md)
    primitives: Names = ("paper",)  # paper: its 24, all equally likely
    modules: Names = ()  # ours: Python modules that register primitives


@dataclasses.dataclass(frozen=True)
class Evaluation(_Section):
    """The tests and the training of a candidate (paper section 4.2, appendices B and C)."""

    # A known name, a .npz file, a folder of class folders, module:function, or a TFDS data set; see
    # docs/own_task.md. Paper: CIFAR-10.
    data: Text = "cifar10"
    data_dir: Text | None = None  # where TFDS keeps its data
    inputs: Inputs = "images"  # ours: what one example is (docs/own_task.md)
    image_size: Count | None = None  # ours: side to resize all images to; None: as they are
    # Known names, module:function, model files, tf.keras.applications.NAME (docs/own_task.md). In
    # order of cost, since the first failure ends an evaluation. Paper: these three.
    anchors: Annotated[Names, Field(min_length=1)] = (
        "mobilenet_v2_cifar",
        "efficientnet_b0_cifar",
        "resnet50_cifar",
    )
    groups: Count = 32  # paper: 32 (A)
    batch_size: Count = 128  # paper: 128 (A)
    crop: Count | None = 24  # side of the random training crops; paper: 24 (A)
    steps: Count = 2000  # paper: 2000 for B, 5000 for S (A)
    learning_rate: Amount = 0.1  # paper: 0.1 (A)
    schedule: Schedule = "constant"  # paper: constant for B, cosine for S (A)
    # ours: the rate grows linearly over the first steps. Without it MobileNetV2 and EfficientNet
    # diverge with the EvoNorms, which leave the linear bottlenecks without a normalization.
    warmup_steps: Annotated[int, _Between(0)] = 100
    momentum: Share = 0.9  # Nesterov; paper: 0.9 (A)
    weight_decay: Amount = 1e-4  # of kernels, not of the layer's own weights; paper: 1e-4 (A)

    free_rejections: Flag = True  # ours: constant, non-finite, ... on probe tensors
    reject_flat: Flag = False  # ours: one of them, layers that are the same at all places
    reject_unnormalized: Flag = False  # ours: one of them, layers that do not normalize
    reject_signal: Flag = False  # ours: one of them, the signal test
    equivalence_cache: Flag = True  # ours: each function is trained once
    equivalence_affine: Flag = False  # ours: also functions that differ by what gamma and beta do
    audit_fraction: Share = 0.0  # ours: share of the cache's hits that are trained all the same

    # ours: module:function that scores a trained layer (docs/own_task.md); None: the accuracy
    objective: Text | None = None

    quality_test: Flag = True  # paper: True
    # paper: 100. Ours: counted from the end of the warm-up, which the paper does not mention.
    quality_steps: Count = 200
    quality_ratio: Amount = 2.0  # least accuracy over random guess; paper: 2 (20% of CIFAR-10)

    # ours: least accuracy over random guess after half of the steps, on each anchor in turn; below
    # it the training ends there, and the layer keeps the accuracies it has. 0 trains all to the end
    halving_ratio: Amount = 0.0

    stability_test: Flag = True  # paper: True
    stability_steps: Count = 100  # paper: up to 100
    stability_limit: Amount = 1e8  # of the gradient's norm; paper: 1e8
    stability_batch: Count = 32  # paper: "a small batch"
    stability_rate: Amount = 0.01  # ours: step size of the gradient ascent
    stability_anchors: Count = 3  # ours: on how many of the anchors, the cheapest first


@dataclasses.dataclass(frozen=True)
class Method(_Section):
    """The breeding of genotypes, and the end of the search (paper sections 4.1 and 4.3)."""

    # random_rejection and random are the baselines of figure 6.
    algorithm: Algorithm = "evolution"
    criterion: Criterion = "pareto"  # paper: pareto; or average
    tournament_fraction: Share = 0.05  # of the active population; paper: 0.05 (A)
    window: Count = 2500  # most recent members that stay active; paper: 2500 (A)
    mutations: Count = 2  # of the winner; paper: 2 (A)
    fresh_fraction: Share = 0.5  # offspring that are new random graphs; paper: 0.5 (A)
    skip_neutral: Flag = False  # ours: neutral mutants are mutated further
    islands: Count = 1  # ours: parts of the population, each with its own tournaments
    migration: Share = 0.1  # ours: share of the offspring whose parent may be of any island
    # ours: of so many layers that pass the free rejections, the most promising one is trained.
    shortlist: Count = 1
    # ours: a rediscovery renews its function's age; paper: False, it is a member of its own.
    renewal: Flag = True
    initial_members: Count = 100  # ours: accepted random graphs before the first tournament
    max_candidates: Count | None = None  # genotypes to sample
    max_evaluated: Count | None = None  # genotypes to train, at least for the quality test
    max_trained: Count | None = None  # genotypes to accept after full training
    max_minutes: Amount | None = 2880.0  # paper: 2 days
    seed: Annotated[int, _Between(0, 2**31 - 1)] = 0


@dataclasses.dataclass(frozen=True)
class Rerank(_Section):
    """The second evaluation of the best layers (paper section 5, appendix C)."""

    top_k: Count = 10  # paper: 10 (A)
    # Factor on the anchors' widths; None gives each network its full width, as in the paper.
    width: Amount | None = None
    steps: Count = 5000  # ours; the paper trains on ImageNet
    seeds: Count = 1  # ours: trainings of each layer on each anchor
    held_out: Share = 0.1  # share of train and validation; paper: 10% (A)
    final_seeds: Count = 3  # ours: trainings of the winner and the baselines, on the test split


@dataclasses.dataclass(frozen=True)
class Ray(_Section):
    """The cluster of the executor "ray", and the resources of each stage of an evaluation."""

    address: Text | None = None  # host:port, "auto" for this machine's cluster; None starts one
    workers: Count | None = None  # evaluations at once; None: as many as the CPUs allow
    # CPUs of a stage, which is one task; rounded down, also TensorFlow's number of threads.
    probe_cpus: Cpus = 1.0
    quality_cpus: Cpus = 1.0  # paper: two-core workers
    stability_cpus: Cpus = 1.0
    training_cpus: Cpus = 1.0
    memory_gb: Amount = 0.0  # reserved by each stage after the probe; 0 reserves none
    # A stage that takes longer is stuck: its worker is ended, and the candidate is retried.
    probe_minutes: Amount = 10.0
    quality_minutes: Amount = 240.0
    stability_minutes: Amount = 240.0
    training_minutes: Amount = 1440.0


@dataclasses.dataclass(frozen=True)
class Config(_Section):
    """The configuration of a run.

    `executor`, `workers` and `ray` choose the machines. As long as each stage has one CPU, they do
    not change the verdict of any candidate.
    """

    preset: Text = "paper-b"
    space: Space = Space()
    evaluation: Evaluation = Evaluation()
    method: Method = Method()
    rerank: Rerank = Rerank()
    baselines: Names = ("bn_relu", "evonorm_b0", "evonorm_s0")
    workers: Count = 1  # processes of the executor "local"
    task_minutes: Amount = 1440.0  # a process that takes longer for a task is replaced
    executor: Executor = "local"
    ray: Ray = Ray()

    @property
    def rejects(self) -> bool:
        """Whether the search rejects candidates; the algorithm "random" does not."""
        return self.method.algorithm != "random"

    def to_dict(self) -> dict[str, Any]:
        """The configuration as nested dictionaries of JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """The inverse of `to_dict`. Raises SearchError for an unknown field or a wrong value."""
        try:
            return _adapter().validate_python(dict(values))
        except ValidationError as error:
            found = violation(error)
        path = ".".join(name for name in found.path if isinstance(name, str))
        if found.is_unknown:
            raise SearchError(f"the configuration has no field {path}")
        rule = f": {found.rule}" if found.rule else ""
        raise SearchError(f"{path} cannot be {found.value!r}{rule}")

    def override(self, settings: Sequence[str]) -> "Config":
        """A copy with fields set by "section.field=value". Raises SearchError for a wrong one."""
        values = self.to_dict()
        for setting in settings:
            path, separator, text = setting.partition("=")
            *sections, name = path.strip().split(".")
            target: Any = values
            for section in sections:
                target = target.get(section) if isinstance(target, dict) else None
            if not separator or not isinstance(target, dict) or name not in target:
                raise SearchError(
                    f"an override must be section.field=value with a known field. "
                    f"Received: {setting!r}"
                )
            target[name] = _parse(text)
        return Config.from_dict(values)


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


@functools.cache  # made on first use: it is slow, and help does not need it
def _adapter() -> TypeAdapter[Config]:
    return TypeAdapter(Config)
