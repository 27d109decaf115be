"""Analysis results data (ARD): every number of a report as one row, with what it is of; `ard.parquet` and `ard.json`.

The layout is that of CDISC's Analysis Results Standard as the R package cards keeps it: columns `group1`,
`group1_level`, ..., `variable`, `variable_level`, `context`, `stat_name`, `stat_label`, `stat`, `fmt`, `warning`,
`error`. Rows are made from the tables of the chapters (`Layout`), never from the page. No row is of a single person.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.errors import in_full
from bayesmodels.html_tables import html_table
from bayesmodels.reporting.chapter import Chapter, Reading
from bayesmodels.reporting.layout import CONVERGENCE, DATA, PERSONS, STATISTICS, Layout, Statistic
from bayesmodels.surrogacy.verdict import Verdict

SCHEMA = 1
"""Number of the layout of ``ard.json``."""

COLUMNS = (
    "variable", "variable_level", "context", "table", "stat_name", "stat_label", "stat", "stat_text", "fmt", "unit",
    "interval_kind", "interval_level", "direction", "estimand", "warning", "error",
)  # fmt: skip
"""Columns after those of the groups."""

NUMBERS = ("stat", "interval_level")
"""Columns of numbers; all others are text."""

VERDICTS = "verdicts"
"""Table of the rungs' verdicts, which the first screen shows."""

MOST_DECIMALS = 6

INFINITE = {math.inf: "infinity", -math.inf: "-infinity"}


@dataclass(frozen=True)
class AnalysisResults:
    """Analysis results data of one report: a row for each statistic.

    Parameters
    ----------
    table : DataFrame
        `group1`, `group1_level`, ... (as many as any row needs), then `variable`, `variable_level`, `context`, `table`,
        `stat_name`, `stat_label`, `stat` (NaN where there is no number), `stat_text` (verdicts, and infinite limits),
        `fmt`, `unit`, `interval_kind`, `interval_level`, `direction`, `estimand`, `warning`, `error`; None where a
        column says nothing of a row.
    about : dict
        `model`, `data` (name and digest), `run`, `version`, `stamp` (of a fit that did not converge).
    """

    table: pd.DataFrame
    about: dict[str, Any] = field(default_factory=dict)

    def sentence(self) -> str:
        """How many statistics there are, of what."""
        contexts = self.table["context"].value_counts(sort=False)
        told = ", ".join(f"{count} {name}" for name, count in contexts.items())
        return f"{len(self.table)} statistics of {self.table['table'].nunique()} tables: {told}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>{html_table(self.table, most=20)}"

    def as_json(self) -> bytes:
        """Content of ``ard.json``: `about`, then `results`, a line each; what a row has not is left out of it."""
        head = json.dumps({"schema": SCHEMA, **self.about}, ensure_ascii=False, allow_nan=False)
        names = list(self.table.columns)
        lines = (
            json.dumps(
                {name: value for name, value in zip(names, row, strict=True) if not _is_nothing(value)},
                ensure_ascii=False,
                allow_nan=False,
            )
            for row in zip(*(self.table[name].tolist() for name in names), strict=True)
        )
        return f'{head[:-1]}, "results": [\n{",\n".join(lines)}\n]}}\n'.encode()

    def as_parquet(self) -> bytes:
        """Content of ``ard.parquet``: the table, with `about` as JSON under the key `bayesmodels` of its metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {name: pa.float64() if name in NUMBERS else pa.string() for name in self.table.columns}
        arrays = [pa.array(self.table[name], kind, from_pandas=True) for name, kind in kinds.items()]
        about = json.dumps({"schema": SCHEMA, **self.about}, ensure_ascii=False)
        written = pa.Table.from_arrays(arrays, schema=pa.schema(list(kinds.items()), {"bayesmodels": about}))
        buffer = BytesIO()
        pq.write_table(written, buffer)
        return buffer.getvalue()


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``ard.json``."""
    return json.loads((files("bayesmodels.reporting") / "ard.schema.json").read_text(encoding="utf-8"))


def results_of(reading: Reading, chapters: Sequence[Chapter], verdicts: Iterable[Verdict] = ()) -> AnalysisResults:
    """Every number of a report.

    Parameters
    ----------
    reading : Reading
        With the tables of every chapter.
    chapters : sequence of Chapter
        Those that made tables.
    verdicts : iterable of Verdict
        Of the first screen.

    Returns
    -------
    AnalysisResults
    """
    context, layouts = reading.context, dict[str, Layout | None]()
    for chapter in chapters:
        layouts |= chapter.layouts(reading)
    rows = list[dict[str, Any]]()
    for name, table in reading.tables.items():
        layout = layouts.get(name, Layout())
        if layout is not None and not PERSONS & set(map(str, table.columns)):
            rows += _rows(name, table.reset_index(drop=True), layout, reading.prob)
    chosen, trials = reading.settings, reading.trials
    ends = {"surrogate": chosen.surrogate, "outcome": chosen.outcome}
    rows += [_verdict_row(verdict.rung, verdict.answer, ends) for verdict in verdicts]
    if trials is not None:
        rows.append(_verdict_row("trial", trials.verdict.verdict, trials.labels))
    if context.stamp:
        for row in rows:
            row["warning"] = "; ".join(filter(None, (_UNCONVERGED, row.get("warning"))))
    about = {
        "model": context.model_type,
        "data": {name: context.data.get(name) for name in ("name", "digest")},
        "run": reading.tree.attrs.get("run"),
        "version": version("bayesmodels"),
        "stamp": context.stamp,
    }
    return AnalysisResults(_framed(rows), about)


_UNCONVERGED = "the chains did not converge: do not act on this number"

_SCALED = frozenset(("mean", "sd", "median", "lower", "upper", "estimate", "se", "mcse_median"))
"""Statistics on the scale of their quantity, whose unit and decimals they share."""

_EXPECTED = frozenset(("median", "estimate", "prob_favours"))
"""Statistics whose absence is told, with its reason, also where the whole table lacks them."""

_NO_WORDS = dict.fromkeys(("direction", "estimand"))


def _rows(name: str, table: pd.DataFrame, layout: Layout, prob: float) -> list[dict[str, Any]]:
    """Rows of one table, in its order."""
    columns = layout.statistics(table)
    records: list[dict[Any, Any]] = table.to_dict("records")
    about, groups = layout.about(table), _groups(table, layout)
    named = layout.named_by if layout.named_by in table and not layout.variable else ""
    told = {column for column in columns if column in table and table[column].notna().any()}
    decimals = _decimals(table, columns)
    rows = []
    for place, (record, group) in enumerate(zip(records, groups, strict=True)):
        own = str(record[named]) if named else layout.variable or name
        words = {kind: _said(record[column]) for kind, column in about.items()}
        found = {"value": Statistic(str(record[layout.statistic]))} if layout.statistic else columns
        for column, one in found.items():
            value = record[column]
            reason = words.get("withheld") or (_said(record[one.withheld]) if one.withheld else None)
            number, text = _value(value)
            if (
                number is None
                and text is None
                and not (
                    (reason or words.get("note")) and (column in told or (one.name in _EXPECTED and not one.context))
                )
            ):
                continue
            if one.name == "prob_favours" and not words.get("direction"):
                one = Statistic("prob", one.of, "favours", one.context)
            context = _context(one, layout, record)
            about_chains = context == "convergence"
            limits = one.interval or _interval(one, layout, prob, record)
            scaled = one.name in _SCALED
            rows.append(
                {
                    **group,
                    "variable": f"{own}.{one.of}" if named and one.of else one.of or own,
                    "variable_level": one.event or None,
                    "context": context,
                    "table": name,
                    "stat_name": one.name,
                    "stat_label": STATISTICS[one.name][0],
                    "stat": number,
                    "stat_text": text,
                    "fmt": None
                    if number is None
                    else _pattern(one, number, decimals.get((one.of, one.context)), place),
                    "unit": (one.unit or None) if one.unit is not None else words.get("unit") if scaled else None,
                    "interval_kind": limits[0] if one.name in ("lower", "upper") else None,
                    "interval_level": limits[1] if one.name in ("lower", "upper") else None,
                    **(_NO_WORDS if about_chains else {kind: words.get(kind) for kind in _NO_WORDS}),
                    "warning": "; ".join(filter(None, (words.get("note"), reason if number is None else None))) or None,
                }
            )
    return rows


def _groups(table: pd.DataFrame, layout: Layout) -> list[dict[str, str]]:
    """Names and levels of the groups of every row; a row number where they do not tell rows apart."""
    labels = layout.labels(table)
    told = [*labels, *(name for name in (layout.named_by, layout.statistic) if name and name in table)]
    cells = [[_level(value) for value in table[name].tolist()] for name in told]
    keys = list(zip(*cells, strict=True)) if cells else [()] * len(table)
    numbered = len(set(keys)) < len(keys)
    found = []
    for number, key in enumerate(keys, start=1):
        pairs = [(name, level) for name, level in zip(labels, key, strict=False) if level is not None]
        pairs += [("row", str(number))] if numbered else []
        group = dict[str, str]()
        for place, (name, level) in enumerate(pairs, start=1):
            group |= {f"group{place}": name, f"group{place}_level": level}
        found.append(group)
    return found


def _level(value: Any) -> str | None:
    """A label as text; None where it does not apply."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return None if math.isnan(value) else in_full(float(value)) if math.isfinite(value) else str(value)
    return _said(value)


def _said(value: Any) -> str | None:
    """Text; None for a blank."""
    return str(value) if isinstance(value, str) and value else None


def _value(value: Any) -> tuple[float | None, str | None]:
    """A cell as number or text; neither where it is empty."""
    if isinstance(value, str):
        return None, value or None
    if value is None or value is pd.NA:
        return None, None
    number = float(value)
    if math.isinf(number):
        return None, INFINITE[number]
    return (None, None) if math.isnan(number) else (number, None)


def _context(one: Statistic, layout: Layout, record: Mapping[Any, Any]) -> str:
    if one.context:
        return one.context
    if one.name in CONVERGENCE or layout.statistic:
        return "convergence"
    if one.name in DATA:
        return "data"
    return str(record[layout.contexts]) if layout.contexts else layout.context


def _interval(one: Statistic, layout: Layout, prob: float, record: Mapping[Any, Any]) -> tuple[str, float | None]:
    """Kind and level of limits."""
    if layout.interval_kinds:
        return str(record[layout.interval_kinds]), layout.interval[1] if layout.interval else prob
    if one.context == "predictive":
        return "eti_predictive", prob
    return ("eti", prob) if one.context == "prior" or layout.interval is None else layout.interval


def _decimals(table: pd.DataFrame, columns: Mapping[str, Statistic]) -> dict[tuple[str, str], np.ndarray]:
    """Decimals by row of each quantity that has an interval: as many as its width deserves."""
    edges: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for column, one in columns.items():
        if one.name in ("lower", "upper"):
            values = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
            edges.setdefault((one.of, one.context), {})[one.name] = values
    found = {}
    for key, both in edges.items():
        if len(both) == 2:
            with np.errstate(divide="ignore", invalid="ignore"):
                width = both["upper"] - both["lower"]
                places = np.clip(1 - np.floor(np.log10(np.where(width > 1e-9, width, 0.01))), 0, 4)
            found[key] = np.where(np.isfinite(width), places, np.nan)
    return found


def _pattern(one: Statistic, number: float, decimals: np.ndarray | None, place: int) -> str:
    """How many decimals a number is shown with, as "x.xx"."""
    fixed = STATISTICS[one.name][1]
    if fixed is not None:
        shown = fixed
    elif decimals is not None and one.name in _SCALED and math.isfinite(decimals[place]):
        shown = int(decimals[place]) + (one.name == "mcse_median")
    elif number == int(number):
        shown = 0
    else:
        shown = min(max(2 - math.floor(math.log10(abs(number))), 0), MOST_DECIMALS)
    return f"x.{'x' * shown}" if shown else "x"


def _verdict_row(rung: str, answer: str, ends: Mapping[str, str | None]) -> dict[str, Any]:
    """The answer of one rung on a surrogate for an outcome."""
    group = dict[str, str]()
    for place, (name, label) in enumerate(((name, label) for name, label in ends.items() if label), start=1):
        group |= {f"group{place}": name, f"group{place}_level": str(label)}
    return {
        **group,
        "variable": f"surrogate, {rung} level",
        "context": "posterior",
        "table": VERDICTS,
        "stat_name": "verdict",
        "stat_label": STATISTICS["verdict"][0],
        "stat_text": answer,
    }


def _framed(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The rows as a table of every column."""
    most = max((sum(name.endswith("_level") for name in row if name.startswith("group")) for row in rows), default=0)
    names = [name for place in range(1, most + 1) for name in (f"group{place}", f"group{place}_level")]
    columns = {name: [row.get(name) for row in rows] for name in (*names, *COLUMNS)}
    return pd.DataFrame(
        {
            name: pd.Series(values, dtype=float if name in NUMBERS else object, name=name)
            for name, values in columns.items()
        }
    )


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
