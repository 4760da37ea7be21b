"""Images and labels in a .npz file of NumPy; nothing in it is unpickled."""

import pickle
import zipfile
import zlib

import numpy as np

from trainers.data import arrays
from trainers.errors import TrainersError, reason

# What reading raises for files that are damaged, or not of this format.
_ERRORS = (OSError, ValueError, EOFError, KeyError, pickle.UnpicklingError)
_DAMAGES = (zipfile.BadZipFile, zlib.error, NotImplementedError, MemoryError, SyntaxError)


def read(path: str) -> dict[str, np.ndarray]:
    """The arrays x_train, y_train and, if the file has them, x_test and y_test.

    Raises:
      TrainersError: in one line, for a file that cannot be read, or without one of these arrays.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it has one array without a name")
        with loaded as file:
            arrays.check_names(file.files, "the file")
            return {name: file[name] for name in arrays.NAMES if name in file.files}
    except TrainersError:
        raise
    except (*_ERRORS, *_DAMAGES) as error:
        raise TrainersError(
            f"it must be a .npz file of numbers, without Python objects. Reading it raised "
            f"{type(error).__name__}: {reason(error)}"
        ) from error
