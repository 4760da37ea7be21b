"""Runs the tutorials; `make notebooks` keeps their outputs in the files.

    python docs/tools/notebooks.py [NAME ...]

A notebook's outputs, except for what changes at each run, are part of the file, so that readers
see them without running it. The tests run the notebooks and write nothing.
"""

import argparse
import pathlib

import nbclient
import nbformat

TUTORIALS = pathlib.Path(__file__).parent.parent / "tutorials"
# Far above what a cell takes, for machines that other programs keep busy.
TIMEOUT_SECONDS = 1200


def run(path, changes=()):
    """The notebook with its outputs, some lines exchanged for others.

    Raises nbclient's error where a cell raises one.
    """
    notebook = nbformat.read(path, as_version=4)
    for line, other in dict(changes).items():
        (cell,) = (cell for cell in notebook.cells if line in cell.source.splitlines())
        cell.source = cell.source.replace(line, other)
    client = nbclient.NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        startup_timeout=TIMEOUT_SECONDS,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    return client.execute()


def write(path):
    """Runs a notebook and keeps its outputs."""
    notebook = run(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_chatter(output)]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


def _is_chatter(output):
    """Whether it is a log, such as TensorFlow's."""
    return output.output_type == "stream" and output.name == "stderr"


def main():
    """Runs and writes all tutorials, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args().names
    for path in sorted(TUTORIALS.glob("*.ipynb")):
        if not chosen or path.stem in chosen:
            print(path.name, flush=True)
            write(path)


if __name__ == "__main__":
    main()
