"""Archives the checkout: tracked files, and untracked ones that git does not ignore."""

import pathlib
import subprocess
import tarfile

ROOT = pathlib.Path(__file__).parent.parent


def archive(path: pathlib.Path, root: pathlib.Path = ROOT) -> list[str]:
    """Writes a .tar.gz of a checkout; returns the names of its files.

    Raises:
      ValueError: if `root` is not a git checkout.
    """
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        raise ValueError(f"{root} is not a git checkout: {listing.stderr.strip()}")
    names = sorted(name for name in listing.stdout.split("\0") if name and (root / name).is_file())
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            tar.add(root / name, arcname=name)
    return names
