"""Strategies for devices by name, and the cluster of several workers."""

from typing import TYPE_CHECKING

from trainers import keras_choice

if TYPE_CHECKING or keras_choice.has_official():
    from official.common.distribute_utils import configure_cluster, get_distribution_strategy

else:
    from trainers.platform.own.devices import configure_cluster, get_distribution_strategy

__all__ = ["configure_cluster", "get_distribution_strategy"]
