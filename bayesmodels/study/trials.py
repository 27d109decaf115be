"""`TrialTable`: effects of treatments on a surrogate and on an outcome, one row per randomised contrast."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Literal

import pandas as pd

from bayesmodels.errors import BadInput, expect
from bayesmodels.html_tables import html_table
from bayesmodels.study.checks.doubtful import trial_warnings
from bayesmodels.study.checks.labels import DistinctLabels
from bayesmodels.study.checks.ratios import with_log_ratios
from bayesmodels.study.checks.trials import COLUMNS, ENDPOINTS, OneSided, check_trials
from bayesmodels.study.digest import sha256
from bayesmodels.study.files import RawTable, from_frame, read_table
from bayesmodels.study.measures import DEFAULT, MEASURES, EffectMeasure, Measure, expect_measure
from bayesmodels.study.problem import Problem, plain

Good = Literal["up", "down"]


@dataclass(frozen=True)
class Endpoint:
    """Endpoint of one column of effects: its label, unit, good direction and effect measure.

    Parameters
    ----------
    label : str
        For readers, e.g. "Plasma NfL".
    unit : str
        Of the effect, active minus control, e.g. "points per month". Other measures than a mean difference have a unit
        of their own (SD, ln ratio, ln OR, ln HR), which is filled in.
    good : {"up", "down"}, optional
        Sign of the effect that favours the active treatment; of a log ratio "down" where the event harms, "up" where it
        helps. Not stated: nothing about benefit is computed. Required with other measures than a mean difference.
    measure : {"mean_difference", "standardised_mean_difference", "log_ratio", "log_odds_ratio", "log_hazard_ratio"}
        Scale of the effect. Logarithms are natural; `log_ratio` is of geometric means. Of tables of trials only.

    Raises
    ------
    BadInput
        A direction or a measure that is unknown or missing, or a unit that is not the measure's.
    """

    label: str
    unit: str = ""
    good: Good | None = None
    measure: Measure = DEFAULT

    def __post_init__(self) -> None:
        if self.good not in ("up", "down", None):
            raise BadInput(f'{self.label}: expected the good direction "up" or "down", got "{plain(self.good)}"')
        own = expect_measure(self.measure, self.label)
        if own.unit and self.unit not in ("", own.unit):
            raise BadInput(
                f'{self.label}: expected no unit, or "{own.unit}", with {self.measure}, got "{plain(self.unit)}"; '
                "delete it"
            )
        if self.measure != DEFAULT and self.good is None:
            of = "down where the event is bad (death), up where it is good (response)" if own.ratio else "up or down"
            raise BadInput(f"{self.label}: expected the good direction of a {own.words}, {of}; state it")
        if own.unit:
            object.__setattr__(self, "unit", own.unit)

    @property
    def facts(self) -> dict[str, str | None]:
        """Label, unit and good direction, and the measure where it is no mean difference."""
        told = asdict(self)
        if self.measure == DEFAULT:
            del told["measure"]
        return told

    @property
    def effect_measure(self) -> EffectMeasure:
        """What the effect measure is: its words, unit, and the ratio that it is the logarithm of."""
        return MEASURES[self.measure]


SURROGATE, OUTCOME = Endpoint("surrogate"), Endpoint("outcome")


@dataclass(frozen=True, repr=False, eq=False)
class TrialTable:
    """Effects of treatments, active minus control, on a surrogate and on an outcome, with standard errors.

    Make one with `TrialTable.from_frame`, `read_trials` or `bayesmodels.study.evidence.trial_table`. No two rows share
    people.

    Parameters
    ----------
    name : str
        For titles; not part of the digest.
    surrogate, outcome : Endpoint
    rows : pandas.DataFrame
        See `frame`.
    unused : pandas.DataFrame
        row (of the file), trial, reason: rows that do not enter a likelihood.
    warnings : tuple of Problem
        Legitimate but doubtful content, one line each.
    """

    name: str
    surrogate: Endpoint
    outcome: Endpoint
    rows: pd.DataFrame
    unused: pd.DataFrame
    warnings: tuple[Problem, ...] = ()

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        surrogate: Endpoint = SURROGATE,
        outcome: Endpoint = OUTCOME,
        one_sided: OneSided = "unused",
        name: str = "trials",
        distinct_labels: DistinctLabels = (),
    ) -> TrialTable:
        """A table of effects from a DataFrame.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns trial, surrogate_effect, surrogate_se, outcome_effect, outcome_se (blank: not reported); optional
            within_correlation (of the two estimates of a row; blank: the model's), overlap_group (rows of one group
            share people), part_of (rows of one overlap group with the same part_of are disjoint and may enter
            together), treatment_class, surrogate_censoring and outcome_censoring ("left": the estimate is only known
            to be below the effect given, "right": above), certainty, source. Further columns are kept as text.
            Where an endpoint's measure is the logarithm of a ratio, surrogate_ratio with its 95 % limits
            surrogate_lower and surrogate_upper may stand in place of effect and standard error, the same for outcome.
        surrogate, outcome : Endpoint
            Labels, units, good directions and effect measures.
        one_sided : {"unused", "used"}
            Whether rows with one of the two effects enter: they inform its mean and spread, not the association.
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
        return _checked(from_frame(frame, "trials"), surrogate, outcome, one_sided, name, distinct_labels)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the used rows, in the order of the file.

        The columns of `from_frame`, blank numbers NaN and blank labels ""; surrogate_kind and outcome_kind
        ("estimate", "left", "right", "none"); programme.
        """
        return self.rows.copy()

    @cached_property
    def trials(self) -> tuple[str, ...]:
        """Labels of the used rows."""
        return tuple(self.rows["trial"])

    @cached_property
    def programmes(self) -> tuple[str, ...]:
        """Independent programmes: overlap groups, and rows without one; strata of a trial are one programme."""
        return tuple(self.rows["programme"].unique())

    @cached_property
    def paired_programmes(self) -> tuple[str, ...]:
        """Programmes with both effects estimated: what an association between effects can be learned from."""
        both = (self.rows["surrogate_kind"] == "estimate") & (self.rows["outcome_kind"] == "estimate")
        return tuple(self.rows.loc[both, "programme"].unique())

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Treatment classes in order of first appearance; a blank class is "unclassified"."""
        return tuple(self.rows["treatment_class"].replace("", "unclassified").unique())

    @property
    def coords(self) -> dict[str, tuple]:
        """Coordinates by dim."""
        return {"trial": self.trials, "endpoint": ENDPOINTS, "treatment_class": self.classes}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the used rows and of the endpoints, in hex."""
        return sha256({"trials": self.rows}, {"surrogate": self.surrogate.facts, "outcome": self.outcome.facts})

    @cached_property
    def counts(self) -> dict:
        """Plain dict: n_rows (used), n_programmes, n_paired_programmes, n_unused, certainty {label: n}."""
        return {
            "n_rows": len(self.rows),
            "n_programmes": len(self.programmes),
            "n_paired_programmes": len(self.paired_programmes),
            "n_unused": len(self.unused),
            "certainty": {str(k): int(n) for k, n in self.rows["certainty"].value_counts().items() if k},
        }

    def without(self, programme: str) -> TrialTable:
        """The table without the rows of one programme.

        Parameters
        ----------
        programme : str
            One of `programmes`.

        Returns
        -------
        TrialTable
            With the same endpoints.

        Raises
        ------
        BadInput
            No such programme, or no row is left.
        """
        keep = self.rows["programme"] != programme
        if keep.all() or not keep.any():
            raise BadInput(f'programme "{plain(programme)}": expected one of several ({", ".join(self.programmes)})')
        rows = self.rows[keep].reset_index(drop=True)
        return TrialTable(self.name, self.surrogate, self.outcome, rows, self.unused, self.warnings)

    def _title(self) -> str:
        n = len(self.rows)
        return (
            f"Trials {self.name}: {n} row{'s' * (n != 1)} of {len(self.programmes)} independent programmes "
            f"({len(self.paired_programmes)} with both effects), {len(self.unused)} rows unused"
        )

    def _shown(self) -> pd.DataFrame:
        return self.rows[[column for column in COLUMNS[:10] if (self.rows[column].astype(str) != "").any()]]

    def __repr__(self) -> str:
        """Title and rows."""
        return f"{self._title()}\n\n{self._shown().to_string(index=False, na_rep='')}"

    def _repr_html_(self) -> str:
        table = html_table(self._shown())
        return f"<div><p>{escape(self._title())}</p>{table}</div>"


def read_trials(
    path: str | Path,
    *,
    surrogate: Endpoint = SURROGATE,
    outcome: Endpoint = OUTCOME,
    one_sided: OneSided = "unused",
    name: str | None = None,
    distinct_labels: DistinctLabels = (),
) -> TrialTable:
    """A table of effects from a .csv or .parquet file, with the columns of `TrialTable.from_frame`.

    Parameters
    ----------
    path : str or Path
    surrogate, outcome, one_sided, distinct_labels
        As in `TrialTable.from_frame`.
    name : str, optional
        For titles; default: the file's name.

    Raises
    ------
    BadInput
        With every problem found.
    """
    expect(path, (str, Path), "path", "give the path of a .csv or .parquet file")
    raw, title = read_table(Path(path)), name or Path(path).stem
    return _checked(raw, surrogate, outcome, one_sided, title, distinct_labels)


def _checked(
    raw: RawTable,
    surrogate: Endpoint,
    outcome: Endpoint,
    one_sided: OneSided,
    name: str,
    distinct_labels: DistinctLabels,
) -> TrialTable:
    for end, endpoint in (("surrogate", surrogate), ("outcome", outcome)):
        expect(endpoint, Endpoint, end, f'give Endpoint("{end}", good="down")')
    raw = with_log_ratios(raw, {"surrogate": surrogate.measure, "outcome": outcome.measure})
    rows, unused = check_trials(raw, one_sided, distinct_labels)
    rows["programme"] = rows["overlap_group"].where(rows["overlap_group"] != "", rows["trial"])
    ends = {"surrogate": surrogate, "outcome": outcome}
    units = {end: endpoint.unit for end, endpoint in ends.items()}
    measures = {end: endpoint.measure for end, endpoint in ends.items()}
    doubtful = trial_warnings(raw.file, raw.cells, rows, units, measures)
    return TrialTable(str(name), surrogate, outcome, rows, unused, doubtful)
