"""`Config`, a dataclass that settings change, and `OneOfConfig`, a choice among several."""

import copy
import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import tensorflow as tf
import yaml

from trainers.platform import settings

_Config = TypeVar("_Config", bound="Config")


@dataclasses.dataclass
class Config:
    """A dataclass that nested settings change, where an unknown key is an error.

    It behaves as tf-models-official's `Config` does, except that settings given to the constructor
    must be known keys too, and that restrictions between fields are not available. Values are
    numbers, strings, None, lists of them, and configurations, which are copied when assigned.

    Args:
      default_params: settings to begin with, by the names of fields.

    Raises:
      KeyError: for a name that is not a field.
      ValueError: for a change of a locked configuration.
    """

    RESERVED_ATTR: ClassVar[tuple[str, ...]] = ("_locked",)

    default_params: dataclasses.InitVar[Mapping[str, Any] | None] = None

    def __post_init__(self, default_params: Mapping[str, Any] | None) -> None:
        """Applies the settings."""
        self._locked = False
        self.override(default_params or {})

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets a field to a copy of a configuration, to settings, or to another value."""
        if name not in self.RESERVED_ATTR and getattr(self, "_locked", False):
            raise ValueError("the configuration is locked and cannot be changed")
        if isinstance(value, Config):
            value = copy.deepcopy(value)
        elif isinstance(value, Mapping):
            value = self._configured(name, value)
        elif isinstance(value, list):
            value = list(value)
        super().__setattr__(name, value)

    def _configured(self, name: str, values: Mapping[str, Any]) -> "Config":
        """The field's configuration, or where it has none a new one, changed by settings."""
        current = getattr(self, name, None)
        if not isinstance(current, Config):
            current = self._class_of(name)()
        current.override(values)
        return current

    def _class_of(self, name: str) -> type["Config"]:
        """The configuration class of a field's annotation, which may be optional."""
        annotation = typing.get_type_hints(type(self))[name]
        for choice in (annotation, *typing.get_args(annotation)):
            if isinstance(choice, type) and issubclass(choice, Config):
                return choice
        raise TypeError(f"`{name}` takes a value, not settings below it")

    def override(self, values: Mapping[str, Any]) -> None:
        """Changes the fields that are named. Raises KeyError for another name."""
        for name, value in values.items():
            if name in self.RESERVED_ATTR or name not in vars(self):
                raise KeyError(f"{name!r} is not a field of {type(self).__name__}")
            setattr(self, name, value)

    def replace(self: _Config, **values: Any) -> _Config:
        """A changed copy, which is not locked."""
        changed = copy.deepcopy(self)
        changed._locked = False
        changed.override(values)
        return changed

    def lock(self) -> None:
        """Makes any change of the fields an error, but not of those of nested configurations."""
        self._locked = True

    def as_dict(self) -> dict[str, Any]:
        """The values by name; nested configurations as nested dictionaries."""
        return {
            name: value.as_dict() if isinstance(value, Config) else copy.copy(value)
            for name, value in vars(self).items()
            if name not in self.RESERVED_ATTR
        }


@dataclasses.dataclass
class OneOfConfig(Config):
    """A choice among configurations; each field but `type` is one of them.

    Attributes:
      type: the chosen field's name, or None.
    """

    type: str | None = None

    def get(self) -> Any:
        """The chosen configuration, or None. Raises ValueError for an unknown one."""
        if self.type is None:
            return None
        if self.type not in vars(self):
            raise ValueError(f"`type` must be one of {self._choices()}. Received: {self.type!r}")
        return getattr(self, self.type)

    def as_dict(self) -> dict[str, Any]:
        """The chosen configuration's values alone."""
        if self.type is None:
            return {"type": None}
        return {"type": self.type, self.type: self.get().as_dict()}

    def _choices(self) -> str:
        return ", ".join(set(vars(self)) - {"type", *self.RESERVED_ATTR})


def override(config: _Config, source: str) -> _Config:
    """Changes a configuration by a text: NAME=VALUE,... or YAML or the path of a YAML file.

    Unlike tf-models-official's, it does not read elements of lists by index.

    Raises:
      TrainersError: for a text or a file that cannot be read.
      KeyError: for an unknown key.
    """
    values = settings.read(source)
    if values is None:
        if "://" not in source:
            raise settings.unusable(f"give a whole list, NAME=[...], in place of {source!r}")
        with tf.io.gfile.GFile(source) as file:
            values = settings.parse(file.read())
    config.override(values)
    return config


class _Dumper(yaml.SafeDumper):
    """Writes lists on one line."""


_Dumper.add_representer(
    list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True)
)


def save(config: Config, path: str) -> None:
    """Writes a configuration as YAML."""
    with tf.io.gfile.GFile(path, "w") as file:
        yaml.dump(config.as_dict(), file, Dumper=_Dumper, default_flow_style=False)
