"""Lists the experiments: their name, the paper's figure, and whether they have been run.

python -m trainers.experiments [--match=TEXT] [--commands]
"""

from absl import flags

from trainers import command
from trainers.experiments import EXPERIMENTS

_MATCH = flags.DEFINE_string("match", "", "Only names that contain this text.")
_COMMANDS = flags.DEFINE_bool("commands", False, "Each experiment's command and hardware too.")


def main(_: list[str]) -> None:
    """Prints the list."""
    chosen = [e for e in EXPERIMENTS.values() if _MATCH.value in e.name]
    if not chosen:
        raise SystemExit(f"no experiment's name contains {_MATCH.value!r}")
    width = max(len(experiment.name) for experiment in chosen)
    for experiment in chosen:
        paper = f"{experiment.table}: {experiment.figure}" if experiment.table else "-"
        print(f"{experiment.name:{width}}  {paper:32}  {experiment.status}")
        if _COMMANDS.value:
            print(f"    {experiment.command}\n    {experiment.hardware}")
    print(f"{len(chosen)} experiments. One's command: --commands --match=NAME")


if __name__ == "__main__":
    command.run("trainers.experiments", main)
