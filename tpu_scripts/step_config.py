"""What a network's training step is made of: its configuration, whichever Keras builds it."""

from trainers.classification.config import ExperimentConfig
from trainers.experiments import EXPERIMENTS
from trainers.models.efficientnet import VARIANTS

_PRECISION = "bfloat16"
_FALLBACK = "imagenet_resnet50_evonorm_b0"


def of_step(network: str, layer: str, image_size: int | None = None) -> ExperimentConfig:
    """A configuration that trains a network with a layer, in bfloat16.

    Optimizer, loss and image size are those of the network's first experiment; a network
    without one gets ResNet-50's.

    Args:
      network: a name in `trainers.models.classifiers.CLASSIFIERS`.
      layer: a registered name, or the path of a layer graph's JSON file.
      image_size: side of the images; None for the network's own.
    """
    params = _experiment_of(network)
    model = params.task.model
    model.network, model.norm_act = network, layer
    variant = VARIANTS.get(network.removeprefix("efficientnet_"))
    side = image_size or (variant.resolution if variant else model.input_size[0])
    model.input_size = [side, side, model.input_size[2]]
    params.runtime.mixed_precision_dtype = _PRECISION
    return params


def _experiment_of(network: str) -> ExperimentConfig:
    for name, experiment in EXPERIMENTS.items():
        if f"_{network}_" not in name:
            continue
        params = experiment.build()
        if params.kind == "classification" and params.task.model.network == network:
            return params
    return EXPERIMENTS[_FALLBACK].build()
