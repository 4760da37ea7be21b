"""The report of a conversion, with an entry for each place."""

import collections
import dataclasses

ACTIONS = ("fused", "linear", "converted", "kept")


@dataclasses.dataclass
class Place:
    """One normalization or activation of the model, and what the conversion did with it.

    Attributes:
      layer: name of the layer, after the names of the models that contain it.
      source: class of the layer.
      action: "fused" (norm and activation became one layer), "linear" (the norm became the
        layer's linear form), "converted" (a norm-act layer became another), or "kept".
      reason: the reason for the action.
      target: class of the new layer; empty if the old one was kept.
      activation: the activation that the new layer replaces; empty if none.
      carried: names of the copied weights; empty if none.
      loses_norm: whether this place no longer has a normalization.
      kept: after a calibration, the share of the variance of what the old network computed here
        that the new layer keeps, at most 1; None without one.
    """

    layer: str
    source: str
    action: str
    reason: str
    target: str = ""
    activation: str = ""
    carried: str = ""
    loses_norm: bool = False
    kept: float | None = None

    def __str__(self) -> str:
        source = f"{self.source}+{self.activation}" if self.activation else self.source
        what = f"{source} -> {self.target}" if self.target else source
        weights = f"; weights: {self.carried or 'new'}" if self.target else ""
        lost = "; no normalization is left" if self.loses_norm else ""
        kept = "" if self.kept is None else f"; {100 * self.kept:.1f} % of the variance kept"
        return f"{self.action:<9} {self.layer}: {what} ({self.reason}{weights}{lost}{kept})"


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How well the new network agrees with the old one, on examples it was not fitted to.

    Attributes:
      examples: their number.
      outputs: share of the variance of the outputs that is kept, at most 1; the mean over outputs.
      classes: share of examples with the same predicted class; None if no output has classes.
    """

    examples: int
    outputs: float
    classes: float | None

    def __str__(self) -> str:
        classes = "" if self.classes is None else f"; {100 * self.classes:.1f} % of the classes"
        return (
            f"on {self.examples} examples left out, {100 * self.outputs:.1f} % of the outputs' "
            f"variance{classes}"
        )


@dataclasses.dataclass
class Report:
    """All places of a conversion, in the model's order.

    Attributes:
      places: one `Place` for each normalization, and for each activation that stays.
      notes: remarks about the model as a whole.
      agreement: after a calibration, how well the networks agree; None without one.
    """

    places: list[Place] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    agreement: Agreement | None = None

    def count(self, action: str) -> int:
        """The number of places with an action. Raises ValueError for an unknown action."""
        if action not in ACTIONS:
            raise ValueError(f"`action` must be one of {', '.join(ACTIONS)}. Received: {action!r}")
        return sum(place.action == action for place in self.places)

    @property
    def lost_norms(self) -> int:
        """The number of places that no longer have a normalization."""
        return sum(place.loses_norm for place in self.places)

    def __str__(self) -> str:
        counts = collections.Counter(place.action for place in self.places)
        summary = ", ".join(f"{counts[action]} {action}" for action in ACTIONS)
        if self.lost_norms:
            summary += f"; {self.lost_norms} without a normalization now"
        if self.agreement:
            summary += f"; kept {self.agreement}"
        return "\n".join([summary, *self.notes, *map(str, self.places)])
