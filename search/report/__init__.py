"""The report of a search: a self-contained HTML file, and its figures as PNG."""

import os
import pathlib
from collections.abc import Sequence

from evonorm_tf import files
from evonorm_tf.graph.simplification import simplified
from search.errors import SearchError
from search.report import figures, graph_picture, html, style
from search.report.collect import read_run
from search.storage.graphs import graph_of

REPORT = "report.html"


def write(run_dir: str | os.PathLike, compare: Sequence[str | os.PathLike] = ()) -> pathlib.Path:
    """Writes `report.html` and PNG figures into a run folder; replaces earlier ones.

    The run may be finished, running, interrupted or empty.

    Args:
      run_dir: the run folder.
      compare: other run folders, whose progress is drawn in the same figure.

    Returns:
      The path of the HTML file.

    Raises:
      SearchError: for a folder without a readable run, or that cannot be written.
    """
    run, others = read_run(run_dir), [read_run(folder) for folder in compare]
    plots = figures.plots(run, others)
    pictures = {f"{plot.name}.png": style.png(plot.panels) for plot in plots}
    if run.winner is not None:
        simple = simplified(graph_of(run.winner), without_epsilon=True)
        pictures["best_layer.png"] = graph_picture.png(simple)
    page = html.render(run, plots)
    try:
        for name, content in pictures.items():
            files.write_whole(run.path / name, content)
        files.write_whole(run.path / REPORT, page.encode())
    except OSError as error:
        raise SearchError(f"cannot write the report into {run.path}: {error.strerror}") from error
    return run.path / REPORT
