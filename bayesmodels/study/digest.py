"""SHA-256 of tables and settings: the same content gives the same digest, wherever it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd


def sha256(tables: Mapping[str, pd.DataFrame | None], settings: Mapping[str, object]) -> str:
    """Digest of tables (columns, row order and every cell) and of settings, in hex.

    Numbers enter as 64-bit floats and text as JSON, so csv, parquet and DataFrames of the same study agree. The index
    of a table does not enter.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, table in tables.items():
        digest.update(json.dumps([name, None if table is None else list(map(str, table.columns))]).encode())
        if table is not None:
            for column in table.columns:
                digest.update(_column(table[column]))
    return digest.hexdigest()


def _column(column: pd.Series) -> bytes:
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype="<f8") + 0.0
        values[np.isnan(values)] = np.nan
        return b"numbers" + values.tobytes()
    return b"text" + json.dumps([None if pd.isna(cell) else str(cell) for cell in column]).encode()
