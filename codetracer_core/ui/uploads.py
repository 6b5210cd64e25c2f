"""Files that a browser has sent, on their way to the disk."""

import re
from pathlib import Path

from streamlit.runtime.uploaded_file_manager import UploadedFile

_LONGEST_FILE_NAME = 200
"""Bytes; file systems take 255. Of a longer name the end is kept, for it tells the format."""


def kept(folder: Path, number: int, file: UploadedFile) -> Path:
    """The upload as a file. Its own name is kept, for formats are told by it, but never as a path."""
    place = folder / f"upload-{number + 1}"
    place.mkdir()
    name = "".join(character for character in re.split(r"[/\\]", file.name)[-1] if character.isprintable())
    name = name.encode()[-_LONGEST_FILE_NAME:].decode(errors="ignore")
    path = place / (name if name.strip(".") else "upload")
    path.write_bytes(file.getbuffer())
    return path
