"""How scores are shown: accuracies in percent, those of a user's objective as plain numbers."""

import dataclasses

# Of the digits and of CIFAR-10.
_KNOWN_CLASSES = 10
_MINUS = "\N{MINUS SIGN}"


@dataclasses.dataclass(frozen=True)
class ScoreFormat:
    """The words and numbers for the scores of a run.

    Attributes:
      objective: the configured `module:function`; None for accuracies.
      num_classes: of the user's own data; None for the digits and CIFAR-10.
    """

    objective: str | None = None
    num_classes: int | None = None

    @property
    def chance(self) -> float:
        """The accuracy of a random guess."""
        return 1 / (self.num_classes or _KNOWN_CLASSES)

    @property
    def name(self) -> str:
        """What a score is."""
        return "score" if self.objective else "accuracy"

    @property
    def unit(self) -> str:
        """What follows `number`."""
        return "" if self.objective else "%"

    @property
    def explained(self) -> str:
        """What the numbers of a table are."""
        if self.objective:
            return f"Score by {self.objective}, higher is better"
        return "Accuracy in percent"

    @property
    def tie(self) -> float:
        """Scores that differ by at most this count as equal: 0.05 percentage points."""
        return 0.0 if self.objective else 0.0005

    def number(self, score: float) -> str:
        """A score without its unit: "81.5", or "-0.1234" of an objective."""
        return f"{score:.4g}" if self.objective else f"{100 * score:.1f}"

    def text(self, score: float) -> str:
        """A score with its unit."""
        return self.number(score) + self.unit

    def difference(self, difference: float) -> str:
        """A difference of scores with its sign, of accuracies in percentage points."""
        text = f"{difference:+.3g}" if self.objective else f"{100 * difference:+.1f}"
        return text.replace("-", _MINUS)

    def is_near_chance(self, score: float) -> bool:
        """Whether an accuracy is below twice a random guess, the quality test's limit."""
        return not self.objective and score < 2 * self.chance
