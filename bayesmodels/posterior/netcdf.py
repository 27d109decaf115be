"""Trees of datasets as NetCDF files that carry a digest of their contents.

HDF5 does not write to the disk here: a file is made in memory and written whole, so that a full disk cannot leave the
library with a file that it can neither finish nor close.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmodels.errors import DamagedFile
from bayesmodels.files import write_whole

DIGEST = "contents_sha256"
"""Root attribute that holds the digest."""


def write_tree(tree: xr.DataTree, path: Path, *, private: bool = False) -> Path:
    """Write a tree with the digest of its contents as it will be read again.

    Parameters
    ----------
    tree : xr.DataTree
        A digest among its root attributes is made anew.
    path : Path
        Its folder must be there.
    private : bool
        Whether only the file's owner may read it.

    Raises
    ------
    BadInput, DiskFull
        As `bayesmodels.files.write_whole`.
    """
    import h5py

    bare = tree.copy(deep=False)
    bare.attrs = {name: value for name, value in tree.attrs.items() if name != DIGEST}
    with bare.to_netcdf(engine="h5netcdf") as written:
        file = io.BytesIO(written)
    with xr.open_datatree(file, engine="h5netcdf") as opened:
        digest = contents_sha256(opened.load())
    with h5py.File(file, "r+") as opened:
        opened.attrs[DIGEST] = digest
    with file.getbuffer() as content:
        return write_whole(path, content, private=private)


def read_tree(path: Path, *, verify: bool = True) -> tuple[xr.DataTree, bool]:
    """Read a tree into memory and close the file.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether to compare the contents with the digest.

    Returns
    -------
    tree : xr.DataTree
        Without the digest.
    verified : bool
        False where the file carries no digest: an earlier version's, or another program's.

    Raises
    ------
    DamagedFile
        It cannot be read, or its contents are not those that were written.
    """
    with _quiet_close():
        try:
            with xr.open_datatree(path, engine="h5netcdf") as opened:
                tree = opened.load()
            written = tree.attrs.pop(DIGEST, None)
            found = contents_sha256(tree) if verify else written
        except Exception as error:  # of whatever class: HDF5, xarray and numpy raise many where a file is damaged
            said = next(iter(str(error).splitlines()), "")[:200]
            _forget_frames(error)
            raise DamagedFile(f"{path}: not a NetCDF file that can be read ({said or type(error).__name__})") from error
    if written is not None and written != found:
        raise DamagedFile(f"{path}: damaged: its contents are not those that were written (their digests differ)")
    return tree, written is not None


def contents_sha256(tree: xr.DataTree) -> str:
    """Return the SHA-256 of what a tree holds, in hex: however the file is laid out, and on every machine the same.

    Groups by path; of each its attributes as sorted JSON, then variables and coordinates by name: dims, kind, shape,
    and values as little-endian bytes in C order with one NaN, or as UTF-8 with lengths; with their attributes.
    """
    digest = hashlib.sha256()

    def add(part: bytes | memoryview) -> None:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)

    for node in sorted(tree.subtree, key=lambda node: node.path):
        own = node.to_dataset(inherit=False)
        add(node.path.encode())
        add(_as_json(own.attrs))
        for name in sorted(own.variables, key=str):
            variable = own.variables[name]
            kind, values = _plain_values(variable.to_numpy())
            header = [str(name), [str(dim) for dim in variable.dims], kind, list(variable.shape), name in own.coords]
            add(json.dumps(header).encode())
            add(_as_json(variable.attrs))
            for part in values:
                add(part)
    return digest.hexdigest()


@contextmanager
def _quiet_close() -> Iterator[None]:
    """Keep h5netcdf from printing a traceback for a file that it opened in part and cannot close."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not str(getattr(unraisable.object, "__module__", "")).startswith("h5netcdf"):
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _forget_frames(error: BaseException) -> None:
    """Let go of the half-opened file that the frames of an error and of its causes hold."""
    current: BaseException | None = error
    while current is not None:
        current.__traceback__ = None
        current = current.__cause__ or current.__context__


def _plain_values(values: np.ndarray) -> tuple[str, list[bytes | memoryview]]:
    """Kind of an array, and its values as bytes that do not depend on machine or file."""
    if values.dtype.kind in "OUST":
        return "text", [str(value).encode("utf-8", "surrogatepass") for value in values.ravel()]
    if values.dtype.kind in "fc":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return values.dtype.newbyteorder("<").str, [memoryview(little.reshape(-1).view(np.uint8))]


def _as_json(attrs: dict[Any, Any]) -> bytes:
    return json.dumps({str(name): value for name, value in attrs.items()}, sort_keys=True, default=_plain).encode()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
