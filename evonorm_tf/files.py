"""Writing files so that a reader sees the old content or the new, never a part."""

import os
import pathlib
import uuid


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes `content` to a file under another name in the same folder, then renames it."""
    path = pathlib.Path(path)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
