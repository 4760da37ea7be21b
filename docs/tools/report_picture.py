"""Takes the screenshot of a search's report that docs/search.md shows.

    python docs/tools/report_picture.py REPORT.html PICTURE.png

Needs Chromium on PATH.
"""

import argparse
import pathlib
import subprocess


def main():
    """Takes a screenshot of the first page of a report, 1000 pixels wide."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("picture", type=pathlib.Path)
    arguments = parser.parse_args()
    options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1000,1300"]
    shot = f"--screenshot={arguments.picture.resolve()}"
    page = arguments.report.resolve().as_uri()
    subprocess.run(["chromium", *options, shot, page], check=True)


if __name__ == "__main__":
    main()
