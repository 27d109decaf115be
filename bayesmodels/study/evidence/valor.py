"""VALOR's published visit-level means, selected and joined for one likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput, in_full
from bayesmodels.study.evidence.published import load
from bayesmodels.study.means import MeansTable
from bayesmodels.study.problem import nearest, plain, quoted

Digitised = Literal["keep", "drop", "inflate"]
Series = str | Sequence[str] | Mapping[str, tuple[float, float]]

READING_ERROR = {"points": 0.05, "ln": 0.015}
"""SD of reading a mean off a published figure, by unit. Source: the trial fits to VALOR's published means."""

FILE = "valor_visits"


def means_table(
    series: Series = "valor_2021",
    *,
    until_week: float | None = None,
    outcomes: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
    digitised: Digitised = "keep",
    delayed_start_week: float = 30.0,
    name: str | None = None,
) -> MeansTable:
    """VALOR's published means by visit, as one `MeansTable`.

    Parameters
    ----------
    series : str, sequence of str or mapping
        One series, several, or series to (first week, last week), both included. Series that are about the same people
        must be given weeks of their own: ``{"valor_2021": (2, 28), "ole_2021": (40, 76)}``.
    until_week : float, optional
        Last week to take, over all series.
    outcomes, strata : sequence of str, optional
        Default: all that the series have.
    digitised : {"keep", "drop", "inflate"}
        What to do with means read off a figure (certainty "digitised"; a printed mean with a digitised standard error
        is a printed mean). "inflate" adds `READING_ERROR` in quadrature to their standard errors and notes it in the
        column reading_error, which a model that fills a missing standard error adds itself.
    delayed_start_week : float
        Week from which the delayed group counts as on the drug. They receive it from about week 28; 30 fits NfL best.
    name : str, optional
        For titles.

    Returns
    -------
    MeansTable
        Reference group "delayed". Standard errors that were not published are NaN and flagged (`se_published`).

    Raises
    ------
    BadInput
        If rows are about the same people, outcome and week; if strata and all of the same people come together; if
        nothing is left.
    """
    rows = load(FILE).table
    chosen = _in_weeks(rows, _windows(series, rows))
    if until_week is not None:
        chosen = chosen[chosen["week"] <= until_week]
    for column, wanted in (("outcome", outcomes), ("stratum", strata)):
        if wanted is not None:
            chosen = _among(chosen, column, [wanted] if isinstance(wanted, str) else list(wanted))
    chosen = _with_reading_error(chosen, digitised)
    if not len(chosen):
        raise BadInput(f"{FILE}: no mean is left; widen series, until_week, outcomes, strata or digitised")
    used = list(chosen["series"].unique())
    starts = {group: {"early": 0.0, "delayed": delayed_start_week}[group] for group in chosen["start_group"].unique()}
    columns = {"n_randomised": "n"}
    frame = chosen.rename(columns=columns)
    try:
        return MeansTable.from_frame(
            frame, starts, reference_group="delayed", name=name or f"VALOR, {' and '.join(used)}"
        )
    except BadInput as error:
        hint = _hint(chosen)
        raise BadInput([*(problem.replace("means: ", f"{FILE}: ", 1) for problem in error.problems), *hint]) from None


def _windows(series: Series, rows: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Series to the weeks taken from it."""
    known = list(rows["series"].unique())
    if isinstance(series, Mapping):
        windows = dict(series)
    else:
        windows = dict.fromkeys([series] if isinstance(series, str) else series, (0.0, np.inf))
    for label, weeks in windows.items():
        if label not in known:
            near = nearest(label, known)
            hint = f'; is it "{near}"?' if near else ""
            raise BadInput(f'{FILE}: no series "{plain(label)}" (series: {quoted(known)}){hint}')
        if isinstance(weeks, str) or not isinstance(weeks, Sequence) or len(weeks) != 2 or not weeks[0] <= weeks[1]:
            raise BadInput(f"{FILE}: expected (first week, last week) for series {label}, got {plain(weeks)}")
    return windows


def _in_weeks(rows: pd.DataFrame, windows: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    parts = []
    for label, (first, last) in windows.items():
        part = rows[(rows["series"] == label) & rows["week"].between(first, last)]
        if not len(part):
            there = ", ".join(in_full(week) for week in sorted(rows.loc[rows["series"] == label, "week"].unique()))
            raise BadInput(
                f"{FILE}: series {label} has no week from {in_full(first)} to {in_full(last)}; it has {there}"
            )
        parts.append(part)
    return pd.concat(parts) if parts else rows.iloc[:0]


def _among(rows: pd.DataFrame, column: str, wanted: list[str]) -> pd.DataFrame:
    known = list(rows[column].unique())
    absent = [label for label in wanted if label not in known]
    if absent:
        raise BadInput(f"{FILE}: no mean with {column} {quoted(absent)} in the chosen series (there: {quoted(known)})")
    return rows[rows[column].isin(wanted)]


def _with_reading_error(rows: pd.DataFrame, digitised: str) -> pd.DataFrame:
    if digitised not in ("keep", "drop", "inflate"):
        raise BadInput(f'{FILE}: expected digitised "keep", "drop" or "inflate", got "{plain(digitised)}"')
    read_off = rows["certainty"] == "digitised"
    if digitised == "drop":
        return rows[~read_off].assign(reading_error=0.0)
    if digitised == "keep":
        return rows.assign(reading_error=0.0)
    unknown = [unit for unit in rows.loc[read_off, "unit"].unique() if unit not in READING_ERROR]
    if unknown:
        raise BadInput(f"{FILE}: no reading error is known for unit {quoted(unknown)}; use digitised keep or drop")
    error = rows["unit"].map(READING_ERROR).where(read_off, 0.0).astype(float)
    return rows.assign(se=np.hypot(rows["se"], error), reading_error=error)


def _hint(rows: pd.DataFrame) -> list[str]:
    """The join to write instead, where two series repeat each other's weeks."""
    used = set(rows["series"].unique())
    if {"valor_2021", "ole_2021"} <= used:
        return [f'{FILE}: to join them, write series = {{"valor_2021": (2, 28), "ole_2021": (40, 76)}}']
    return []
