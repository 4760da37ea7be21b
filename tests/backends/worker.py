"""Runs commands on one backend, which the environment variable KERAS_BACKEND chooses.

Reads commands from its input, each a module of this package, a function and a folder, and answers
each with "done". On other backends than TensorFlow, nothing here can import TensorFlow.
"""

import importlib
import os
import pathlib
import sys


def main():
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        sys.modules["tensorflow"] = None  # an import of it fails
    importlib.import_module("evonorm_tf")
    assert "keras" not in sys.modules  # so that the layers follow its import
    for line in sys.stdin:
        module, function, folder = line.split()
        getattr(importlib.import_module(f"tests.backends.{module}"), function)(pathlib.Path(folder))
        print("done", flush=True)


if __name__ == "__main__":
    main()
