"""`summary.json`: the results of one fit for machines, checked against the JSON Schema beside this file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pandas as pd

from bayesmodels.errors import BayesmodelsError
from bayesmodels.posterior.intervals import STATISTICS
from bayesmodels.posterior.monte_carlo import ERROR
from bayesmodels.reporting.chapter import Reading
from bayesmodels.surrogacy.evidence import as_json
from bayesmodels.surrogacy.trial_level.evidence import as_json as trial_as_json
from bayesmodels.vocabulary import DIMS


def summary(reading: Reading, chapters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Build the content of ``summary.json``.

    Parameters
    ----------
    reading : Reading
        With all tables. Of `effects`, contrasts between start groups enter under the name ``group_drug_effect``,
        without a probability: neither sign is good.
    chapters : mapping of str to mapping
        What chapters add, by their names.

    Returns
    -------
    dict
        JSON types only; NaN and infinities are None.
    """
    context, tables, empty = reading.context, reading.tables, pd.DataFrame({"name": []})
    found = context.convergence
    diagnostics = ("max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_ebfmi")
    parameters, differences, effects = (tables.get(name, empty) for name in ("parameters", "differences", "effects"))
    between = effects[effects["name"] == "group_effect_contrast"]
    return _plain(
        {
            "schema": 1,
            "model": context.model_type,
            "data": context.data,
            "interval": {"kind": "eti", "prob": reading.prob},
            "warnings": list(context.warnings),
            "convergence": {
                "verdict": context.grade,
                "reasons": found["reasons"],
                **{name: found.get(name) for name in diagnostics},
            },
            "parameters": [
                {"name": row["name"], "index": _index(row), **{k: row[k] for k in _PARAMETER}}
                for row in parameters.to_dict("records")
            ],
            "contrasts": [
                *(
                    {"name": "difference", "index": _index(row), **{k: row[k] for k in _CONTRAST}}
                    for row in differences.to_dict("records")
                ),
                *(
                    {
                        "name": "group_drug_effect",
                        "index": _index(row),
                        **{k: row[k] for k in ("unit", *STATISTICS, ERROR)},
                        "week": None,
                        "probability_favours": None,
                        "direction": _larger(row["contrast"], context.staggered),
                    }
                    for row in between.to_dict("records")
                ),
            ],
            "surrogacy": _surrogacy(reading),
            "chapters": chapters,
            "seconds": {name: context.seconds.get(name) for name in ("wall", "cpu", "compile", "sample")},
        }
    )


def checked_json(content: dict[str, Any]) -> bytes:
    """Return the content as JSON text, after checking it.

    Raises
    ------
    BayesmodelsError
        The content breaks the schema: names the place and the rule.
    """
    import jsonschema

    errors = list(jsonschema.Draft202012Validator(schema()).iter_errors(content))
    if errors:
        lines = [f"summary.json at {error.json_path}: {error.message}" for error in errors]
        raise BayesmodelsError("\n".join(lines))
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False).encode()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``summary.json``."""
    return json.loads((files("bayesmodels.reporting") / "summary.schema.json").read_text(encoding="utf-8"))


def _larger(contrast: str, staggered: bool) -> str:
    return f"+ larger in {'the later start' if staggered else contrast.partition(' - ')[0]}"


_PARAMETER = ("unit", *STATISTICS, ERROR, "rhat", "ess_bulk", "ess_tail")
_CONTRAST = ("week", "unit", *STATISTICS, ERROR, "probability_favours", "direction")


def _surrogacy(reading: Reading) -> dict[str, Any] | None:
    """Every rung there is evidence on; None without any."""
    found = None if reading.surrogate is None else as_json(reading.surrogate, reading.tables)
    if reading.trials is None:
        return found
    return (found or {}) | {"trial": trial_as_json(reading.trials, reading.prob)}


def _index(row: dict[str, Any]) -> dict[str, str]:
    """Labels of a row by dim, without the blanks and the week."""
    return {dim: str(row[dim]) for dim in DIMS if dim != "week" and row.get(dim, "") not in ("", None)}


def _plain(value: Any) -> Any:
    """JSON types, undefined numbers as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    return _plain(value.item())
