"""Checks that a tag, the package's version and the changelog agree, before a release.

Run as `python .ci/check_release.py v0.1.0`.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def problems(tag, root=ROOT):
    """What keeps this tag from being released, a sentence each."""
    version = _first(r'^VERSION = "(.+)"$', root / "evonorm_tf/version.py")
    entry = _first(r"^## (\d\S*)", root / "CHANGELOG.md")
    cited = _first(r"^version: (\S+)$", root / "CITATION.cff")
    found = [
        f"{where} says {value}, the tag {tag}"
        for where, value in (("version.py", version), ("CHANGELOG.md", entry), ("CITATION", cited))
        if tag != f"v{value}"
    ]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if re.search(r"^## Unreleased\n+(?!## )\S", changelog, re.MULTILINE):
        found.append('CHANGELOG.md has entries under "Unreleased"')
    return found


def _first(pattern, path):
    match = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else None


if __name__ == "__main__":
    wrong = problems(sys.argv[1])
    print("\n".join(wrong) or f"{sys.argv[1]} can be released")
    sys.exit(bool(wrong))
