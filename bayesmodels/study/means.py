"""`MeansTable`: visit-level means with standard errors, as published, validated for one likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmodels.errors import expect
from bayesmodels.html_tables import html_table
from bayesmodels.study.checks.doubtful import means_warnings
from bayesmodels.study.checks.labels import DistinctLabels
from bayesmodels.study.checks.means import check_means
from bayesmodels.study.digest import sha256
from bayesmodels.study.files import RawTable, from_frame, read_table
from bayesmodels.study.problem import Problem


@dataclass(frozen=True, repr=False, eq=False)
class MeansTable:
    """Visit-level means of change from baseline, or of the log ratio to it, by start group and stratum.

    Make one with `MeansTable.from_frame`, `read_means` or `bayesmodels.study.evidence.means_table`. No two rows are
    about the same people, outcome and week.

    Parameters
    ----------
    name : str
        For titles; not part of the digest.
    reference_group : str
        Start group that the others are compared with.
    drug_start_week : dict of str to float
        Week from which each start group is on the drug; inf for never.
    rows : pandas.DataFrame
        See `frame`.
    warnings : tuple of Problem
        Legitimate but doubtful content, one line each.
    """

    name: str
    reference_group: str
    drug_start_week: dict[str, float]
    rows: pd.DataFrame
    warnings: tuple[Problem, ...] = ()

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        drug_start_week: Mapping[str, float],
        *,
        reference_group: str,
        name: str = "published means",
        distinct_labels: DistinctLabels = (),
    ) -> MeansTable:
        """A table of means from a DataFrame.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns series, stratum, start_group, week, outcome, estimate, se (missing: not published), n (persons in
            the mean), scale ("change_from_baseline" or "log_ratio_to_baseline"), unit, certainty, source; optional
            reading_error.
        drug_start_week : mapping
            Start group to the week from which it is on the drug; inf for never.
        reference_group : str
            One of the start groups.
        name : str
            For titles.
        distinct_labels : sequence of sequence of str
            Groups of labels that differ only by case, spaces, punctuation or Unicode form and are not the same; other
            such labels are refused.

        Raises
        ------
        BadInput
            With every problem found. Rows are counted as in a spreadsheet: the first row of data is row 2.
        """
        return _checked(from_frame(frame, "means"), drug_start_week, reference_group, name, distinct_labels)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the rows, by outcome, stratum, start group and week.

        Columns: series, stratum, start_group, week, outcome, estimate, se (NaN: not published), n, scale, unit,
        certainty, source, reading_error (SD of reading the estimate off a figure, already part of `se` where `se` is a
        number, so that a model that fills a missing `se` can add it; 0 if none), se_published (False where `se` is
        NaN).
        """
        return self.rows.copy()

    @cached_property
    def start_groups(self) -> tuple[str, ...]:
        """Start groups by drug start, then by name; the reference group last."""
        start = self.drug_start_week
        return tuple(sorted(start, key=lambda group: (group == self.reference_group, start[group], group)))

    @cached_property
    def stratum_labels(self) -> tuple[str, ...]:
        """Strata in alphabetical order, or ("all",)."""
        return tuple(sorted(self.rows["stratum"].unique()))

    @cached_property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes in the order of the table."""
        return tuple(self.rows["outcome"].unique())

    @cached_property
    def weeks(self) -> tuple[float, ...]:
        """Weeks with at least one mean, rising."""
        return tuple(sorted(self.rows["week"].unique().tolist()))

    @property
    def coords(self) -> dict[str, tuple]:
        """Coordinates by dim."""
        reference = self.reference_group
        return {
            "outcome": self.outcomes,
            "stratum": self.stratum_labels,
            "start_group": self.start_groups,
            "contrast": tuple(f"{group} - {reference}" for group in self.start_groups if group != reference),
            "week": self.weeks,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows, the drug starts and the reference group, in hex."""
        settings = {
            "reference_group": self.reference_group,
            "drug_start_week": dict(sorted(self.drug_start_week.items())),
        }
        return sha256({"means": self.rows}, settings)

    @cached_property
    def counts(self) -> dict:
        """Nested plain dict of numbers.

        ``n_rows``, ``rows`` {series: n}, ``se_missing``, ``certainty`` {label: n}, ``persons`` {start group: {stratum:
        n}} (the largest n of that group and stratum), ``switch_weeks`` {start group: week, None for never}.
        """
        rows = self.rows
        size = rows.groupby(["start_group", "stratum"])["n"].max()
        return {
            "n_rows": len(rows),
            "rows": {str(k): int(n) for k, n in rows["series"].value_counts(sort=False).items()},
            "se_missing": int((~rows["se_published"]).sum()),
            "certainty": {str(k): int(n) for k, n in rows["certainty"].value_counts().items()},
            "persons": {
                g: {s: int(size[g, s]) for s in self.stratum_labels if (g, s) in size.index} for g in self.start_groups
            },
            "switch_weeks": {g: w if np.isfinite(w := self.drug_start_week[g]) else None for g in self.start_groups},
        }

    def _title(self) -> str:
        rows, counts = self.rows, self.counts
        weeks = ", ".join(f"{week:g}" for week in self.weeks)
        starts = ", ".join(
            f"{g} never on the drug" if w is None else f"{g} on the drug from week {w:g}"
            for g, w in counts["switch_weeks"].items()
        )
        return (
            f"Means {self.name}: {len(rows)} published means at weeks {weeks}\n{starts}; reference group "
            f"{self.reference_group}; {counts['se_missing']} without a published standard error"
        )

    def _by_outcome(self) -> pd.DataFrame:
        rows = []
        for (outcome, stratum, group, series), part in self.rows.groupby(
            ["outcome", "stratum", "start_group", "series"], sort=False
        ):
            rows.append(
                {
                    "outcome": outcome,
                    "stratum": stratum,
                    "start group": group,
                    "persons": int(part["n"].max()),
                    "series": series,
                    "weeks": f"{part['week'].min():g} to {part['week'].max():g}",
                    "means": len(part),
                    "no SE": int((~part["se_published"]).sum()),
                    "certainty": "; ".join(part["certainty"].unique()),
                }
            )
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        """Means by outcome, stratum, start group and series."""
        return f"{self._title()}\n\n{self._by_outcome().to_string(index=False)}"

    def _repr_html_(self) -> str:
        title = "<br>".join(escape(line) for line in self._title().splitlines())
        return f"<div><p>{title}</p>{html_table(self._by_outcome())}</div>"


def read_means(
    path: str | Path,
    drug_start_week: Mapping[str, float],
    *,
    reference_group: str,
    name: str | None = None,
    distinct_labels: DistinctLabels = (),
) -> MeansTable:
    """A table of means from a .csv or .parquet file, with the columns of `MeansTable.from_frame`.

    Parameters
    ----------
    path : str or Path
    drug_start_week, reference_group, distinct_labels
        As in `MeansTable.from_frame`.
    name : str, optional
        For titles; default: the file's name.

    Raises
    ------
    BadInput
        With every problem found.
    """
    expect(path, (str, Path), "path", "give the path of a .csv or .parquet file")
    raw = read_table(Path(path))
    return _checked(raw, drug_start_week, reference_group, name or Path(path).stem, distinct_labels)


def _checked(
    raw: RawTable,
    drug_start_week: Mapping[str, float],
    reference_group: str,
    name: str,
    distinct_labels: DistinctLabels,
) -> MeansTable:
    rows, starts = check_means(raw, drug_start_week, reference_group, distinct_labels)
    return MeansTable(str(name), reference_group, starts, rows, means_warnings(raw.file, rows))
