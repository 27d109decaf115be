"""Folders that what is asked for goes to."""

from __future__ import annotations

import os
from pathlib import Path

from bayesmodels.errors import BadInput


def made_folder(path: Path) -> Path:
    """The folder, made with those above it where it is not there.

    Raises
    ------
    BadInput
        It cannot be made, or not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{path}: expected a folder that can be made, got: {error.strerror}; choose another") from error
    if not os.access(path, os.W_OK):
        raise BadInput(f"{path}: expected a folder that can be written to, got one that cannot; choose another")
    return path
