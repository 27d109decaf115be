"""Tables of published numbers that come with the package."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.html_tables import html_table
from bayesmodels.study.problem import nearest, plain, quoted

TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "valor_visits": (
        "VALOR and its extension: means by visit, stratum and start group",
        ("week", "estimate", "se", "n_randomised"),
    ),
    "valor_contrasts": (
        "VALOR and its extension: published contrasts, early minus delayed start",
        ("value", "lower", "upper", "n"),
    ),
    "valor_counts": ("VALOR and its extension: counts", ("count", "of")),
    "als_trials": (
        "ALS trials: effects on NfL, ALSFRS-R and survival",
        (
            "year", "n_active", "n_control", "nfl_log_ratio", "nfl_log_ratio_se", "alsfrs_per_month",
            "alsfrs_per_month_se", "control_slope_per_month", "hr", "hr_lower", "hr_upper", "drr", "drr_lower",
            "drr_upper",
        ),
    ),
    "als_population_parameters": ("ALS populations: rates, spreads and correlations", ("sd_or_se", "lower", "upper")),
    "healey_cnmau8_alsfrs_visits": ("HEALEY platform, CNM-Au8: ALSFRS-R by visit", ("week", "n", "mean", "sd")),
    "valor_simulator_truth": ("Simulator of VALOR-like trials: calibrated truth, not published estimates", ()),
}  # fmt: skip
"""Title, and columns read as numbers, by table. Other columns are text as printed in the file: a `week` of contrasts
and counts may be the name of a data cut, the `weeks` of a trial a range, a value of the simulator's truth two values
with a semicolon (one a stratum), a value of the population parameters a formula."""

NAMES = tuple(TABLES)
"""Names of the tables."""


@dataclass(frozen=True, repr=False, eq=False)
class Evidence:
    """Published numbers, one row per estimate, with certainty and source.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    title : str
        What the table holds.
    rows : pandas.DataFrame
        The rows; `table` gives a copy.
    """

    name: str
    title: str
    rows: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """A copy of the rows. Blank numbers are NaN, blank text is "". The index is the row of the file less 2."""
        return self.rows.copy()

    def select(self, where: Mapping[str, object]) -> Evidence:
        """The rows whose columns have the given value, or one of the given values.

        Parameters
        ----------
        where : mapping
            Column to a value, or to a list or tuple of values.

        Raises
        ------
        BadInput
            If a column is unknown, or no row is left.
        """
        expect(where, Mapping, "where", 'give values by column, such as {"week": 28}')
        chosen = self.rows
        for column, wanted in where.items():
            if column not in self.rows:
                near = nearest(column, self.rows.columns)
                hint = f'; is it "{near}"?' if near else ""
                raise BadInput(f'{self.name}: no column "{plain(column)}" (columns: {quoted(self.rows.columns)}){hint}')
            values = list(wanted) if isinstance(wanted, Sequence) and not isinstance(wanted, str) else [wanted]
            left = chosen[chosen[column].isin(values)]
            if not len(left):
                there = quoted(chosen[column].unique())
                raise BadInput(f"{self.name}: no row with {column} {quoted(values)}; the rows have {there}")
            chosen = left
        return Evidence(self.name, self.title, chosen)

    def _title(self) -> str:
        certainty = "; ".join(f"{label} {n}" for label, n in self.rows["certainty"].value_counts().head(6).items())
        unsourced = int((self.rows["source"] == "").sum()) if "source" in self.rows else 0
        warning = f"; {unsourced} rows without a source" if unsourced else ""
        return f"{self.title}\n{len(self.rows)} rows; certainty: {certainty}{warning}"

    def __repr__(self) -> str:
        """Title, certainties and rows; long texts cut."""
        body = self.rows.map(lambda cell: plain(cell, 24) if isinstance(cell, str) else cell)
        return f"{self._title()}\n\n{body.to_string(index=False, max_rows=20, na_rep='')}"

    def _repr_html_(self) -> str:
        title = "<br>".join(escape(line) for line in self._title().splitlines())
        table = html_table(self.rows, most=60)
        return f"<div><p>{title}</p>{table}</div>"


def tables_folder() -> Path:
    """The folder of the tables: in the installed package, or ``data/evidence`` of the repository it is run from."""
    installed = Path(__file__).with_name("tables")
    return installed if installed.is_dir() else Path(__file__).parents[3] / "data" / "evidence"


def load(name: str) -> Evidence:
    """A table of published numbers.

    Parameters
    ----------
    name : str
        One of `NAMES`: valor_visits, valor_contrasts, valor_counts, als_trials, als_population_parameters,
        healey_cnmau8_alsfrs_visits, valor_simulator_truth.

    Raises
    ------
    BadInput
        If there is no table of that name.
    """
    if name not in TABLES:
        near = nearest(name, NAMES)
        hint = f'; is it "{near}"?' if near else ""
        raise BadInput(f'no evidence table "{plain(name)}" (tables: {quoted(NAMES)}){hint}')
    text = (tables_folder() / f"{name}.csv").read_text(encoding="utf-8")
    header, *records = csv.reader(text.splitlines())
    rows = pd.DataFrame(records, columns=header)
    title, of_numbers = TABLES[name]
    for column in of_numbers:
        rows[column] = [float(cell) if cell else float("nan") for cell in rows[column]]
    return Evidence(name, title, rows)
