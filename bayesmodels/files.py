"""Atomic writing of files, and folders for output."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayesmodels.errors import BadInput, BayesmodelsError, DiskFull

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where there is no room: disk full, quota used up, file larger than this process may write."""

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
"""Flag of `os.open` against symbolic links; 0 on systems without it."""

OWNER_ONLY, EVERYBODY = 0o600, 0o666
"""Permissions of a new file, before the process's own mask."""


def write_whole(path: Path, content: bytes | memoryview, *, private: bool = False) -> Path:
    """Write a file under a temporary name, flush it to disk, then rename it.

    A reader, or a kill at any moment, never meets half a file. The temporary name, ``.<name>.<8 hex digits>.partial``,
    is new: nothing that is there is written to.

    Parameters
    ----------
    path : Path
        Its folder must be there.
    content : bytes
    private : bool
        Whether only the file's owner may read it.

    Raises
    ------
    BadInput
        The folder is not there or cannot be written to, or `path` is a folder or a symbolic link.
    DiskFull
        There is no room; what was at `path` is still there.
    """
    if path.is_symlink() or path.is_dir():
        kind = "symbolic link" if path.is_symlink() else "folder"
        raise BadInput(f"{path}: expected a file or nothing of that name, found a {kind}; choose another name")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    with said_in_words(path):
        descriptor = os.open(
            partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, OWNER_ONLY if private else EVERYBODY
        )
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


@contextmanager
def said_in_words(path: Path) -> Iterator[None]:
    """Turn an `OSError` about a file that cannot be written into `DiskFull` or `BadInput`."""
    try:
        yield
    except OSError as error:
        raise _in_words(path, error) from error


def is_partial(name: str, of: str) -> bool:
    """Whether `name` is a temporary name of the file called `of` (`write_whole`)."""
    return re.fullmatch(rf"\.{re.escape(of)}\.[0-9a-f]{{8}}\.partial", name) is not None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_folder(path: Path) -> Path:
    """Return a folder, made with its parents where it is not there.

    Raises
    ------
    BadInput
        It cannot be made, or not be written to.
    DiskFull
        There is no room.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise _in_words(path, error) from error
        raise BadInput(f"{path}: expected a folder that can be made, got: {error.strerror}; choose another") from error
    if not os.access(path, os.W_OK):
        raise BadInput(f"{path}: expected a folder that can be written to, got one that cannot; choose another")
    return path


def lack_of_room(error: BaseException) -> BaseException | None:
    """Return the error that says that the disk is full, among an error, its causes and its contexts."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if isinstance(current, DiskFull) or (isinstance(current, OSError) and current.errno in FULL):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None


def _in_words(path: Path, error: OSError) -> BayesmodelsError:
    """Say that a file could not be written, and what to do."""
    if error.errno in FULL:
        return DiskFull(f"{path}: cannot be written: {error.strerror}; make room, then give the same command again")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return BadInput(f"{path}: expected a folder {str(path.parent)!r} that is there, found none; make it first")
    return BadInput(f"{path}: cannot be written: {error.strerror or error}; choose another place")
