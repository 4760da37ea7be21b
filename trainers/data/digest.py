"""A SHA-256 of the files of a data source or a network, which shows whether they have changed."""

import hashlib
import os
import pathlib

from trainers import named_function
from trainers.data.sources import Kind, kind_of

_CHUNK = 2**20


def digest(source: str) -> str | None:
    """The SHA-256 of a file, of a folder's names and sizes, or of a function's module.

    None for a name, which has no file of the user's.

    Raises:
      TrainersError: for a path or a module that is not there.
    """
    kind = kind_of(source)
    if kind is Kind.FUNCTION:
        return of_module(source)
    if kind is Kind.NPZ:
        return _of_file(pathlib.Path(source))
    if kind in (Kind.IMAGE_FOLDER, Kind.TFDS_FOLDER):
        return _of_folder(source)
    return None


def of_module(name: str) -> str:
    """The SHA-256 of a module's file. Raises TrainersError if there is none."""
    return _of_file(named_function.source_file(name))


def of_model(path: str) -> str:
    """The SHA-256 of a model file, or of what is in a SavedModel folder."""
    if not os.path.isdir(path):
        return _of_file(pathlib.Path(path))
    files = sorted(file for file in pathlib.Path(path).rglob("*") if file.is_file())
    lines = [f"{file.relative_to(path)}\0{_of_file(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _of_file(path: pathlib.Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def _of_folder(folder: str) -> str:
    """Of names and sizes alone, since a folder of images takes long to read."""
    lines = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            lines.append(f"{os.path.relpath(path, folder)}\0{os.path.getsize(path)}\n")
    return hashlib.sha256("".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()
