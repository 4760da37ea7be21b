"""Networks that take any normalization-activation layer (paper sections 4 and 5)."""

from trainers.models.efficientnet import efficientnet
from trainers.models.mnasnet import mnasnet
from trainers.models.mobilenet_v2 import mobilenet_v2
from trainers.models.resnet import resnet

__all__ = ["efficientnet", "mnasnet", "mobilenet_v2", "resnet"]
