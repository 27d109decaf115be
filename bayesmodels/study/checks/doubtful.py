"""Warnings about legitimate but doubtful content of tables, one line each; nothing is refused or changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from bayesmodels.errors import in_full
from bayesmodels.study.checks.labels import person_key
from bayesmodels.study.checks.limits import Limits
from bayesmodels.study.measures import MEASURES
from bayesmodels.study.problem import Problem, in_order, plain, quoted, row_ranges

AT_LIMIT = 0.15
"""Share of an outcome's values at its limit above which it is said: the usual criterion of floor and ceiling effects of
a score (Terwee et al., J Clin Epidemiol 2007;60:34)."""

FAR = 5.0
"""Interquartile ranges beyond the quartiles of the other values where a number of nines, eights or sevens is said."""

SMALL, LARGE = 2, 10
"""Persons up to which a start group is doubtful, and from which two others are large."""

BASELINE = 1.0
"""Weeks since randomisation by which a baseline is measured."""

FEW = 5
"""Other values that a missing-value code must stand apart from."""

LONGEST = 1000.0
"""Weeks, about nineteen years: beyond them a table's weeks are rather dates written as numbers."""

RATIOS = (0.2, 5.0)
"""Effects that all lie between these, in the middle between .5 and 2, and all above 0 look like ratios."""

LOOKALIKES = {
    "within_correlation": ("rho", "r", "corr", "cor", "correlation", "rwithin", "rhowithin", "withinrho", "withincorr",
                           "errorcorrelation", "withintrialcorrelation"),
    "treatment_class": ("class", "drugclass", "moa", "mechanism", "mechanismofaction", "treatment"),
    "overlap_group": ("group", "programme", "program", "platform", "overlap", "sharedcontrol", "family", "study"),
    "part_of": ("part", "partof", "subset", "subgroup", "stratum"),
    "surrogate_censoring": ("surrogatecensored", "surrogatecens"),
    "outcome_censoring": ("outcomecensored", "outcomecens", "censoring", "censored"),
}  # fmt: skip
"""Other names, in small letters without marks, that people give to optional columns of a table of trials."""

_CODE = re.compile(r"-?([789])\1+|-[789]")
_RATIO = re.compile(r"\b(hr|or|rr|odds|hazard|ratios?|fold)\b", re.IGNORECASE)
_LOG = re.compile(r"\b(ln|log)", re.IGNORECASE)
_SAYS_RATIO = re.compile(f"{_RATIO.pattern}|{_LOG.pattern}", re.IGNORECASE)

LARGEST_SDS = 5.0
"""Standardised mean differences beyond it are doubtful: drugs hardly move a mean by as many SDs between persons."""
NO_ROW = "a measurement that was not made has no row: delete such rows"
"""What to do with missing-value codes among measurements."""


def study_warnings(
    files: Mapping[str, str],
    persons: pd.DataFrame,
    visits: pd.DataFrame,
    events: pd.DataFrame | None,
    limits: Mapping[str, Limits],
) -> tuple[Problem, ...]:
    """What is doubtful in the parsed tables of a study.

    Parameters
    ----------
    files : mapping of str to str
        Names of the three files.
    persons, visits, events : pandas.DataFrame
        Parsed; the index is the row. Cells that were refused are NaN or "" and pass.
    limits : mapping of str to Limits
    """
    found = [
        *alike_persons(files["persons"], persons),
        *_codes_of_persons(files["persons"], persons, visits),
        *small_groups(files["persons"], persons),
        *without_baseline(files["visits"], visits),
        *late_weeks(files["visits"], visits),
        *constant_outcomes(files["visits"], visits),
        *_codes_of_visits(files["visits"], visits, limits),
    ]
    for outcome, bounds in limits.items():
        found += values_at_limits(files["visits"], visits, outcome, (bounds.low, bounds.high))
    if events is not None:
        found += late_weeks(files["events"], events)
        found += _code_problems(files["events"], events, "week", "week", "write the last week of follow-up")
    return in_order(found)


def alike_persons(file: str, persons: pd.DataFrame) -> Iterator[Problem]:
    """Persons whose labels are the same but for case, zeros, spaces or Unicode form."""
    first: dict[str, tuple[int, str]] = {}
    for row, label in persons["person"].items():
        if not label:
            continue
        key = person_key(label)
        earlier, other = first.setdefault(key, (int(str(row)), label))
        if other == label:
            continue
        end = "differs from this one only by case, zeros, spaces or the like; if both are one person, keep one row and "
        end += "write one label in all tables"
        yield Problem(
            file,
            f"the label of row {earlier}, {quoted([other])}, {end}",
            row=int(str(row)),
            person=label,
            kind="alike persons",
            in_log=f"the label of row {earlier} {end}",
        )


def small_groups(file: str, persons: pd.DataFrame) -> Iterator[Problem]:
    """Start groups of a few persons beside large ones: a label misspelt makes a group of its own."""
    counts = persons.loc[persons["start_group"] != "", "start_group"].value_counts()
    if len(counts) < 3 or counts.iloc[1] < LARGE:
        return
    for group, n in counts[counts <= SMALL].items():
        rows = persons.index[persons["start_group"] == group].tolist()
        text = (
            f"start group {quoted([group])} has {n} of {len(persons):,} persons (rows {row_ranges(rows)}), "
            f"{quoted([counts.index[0]])} {counts.iloc[0]:,}; is it a group of its own, or another's label misspelt?"
        )
        yield Problem(file, text, kind=f"small start group {group}")


def without_baseline(file: str, visits: pd.DataFrame) -> Iterator[Problem]:
    """Outcomes that nobody has in the first week."""
    known = visits[(visits["outcome"] != "") & visits["week"].notna()]
    for outcome, first in known.groupby("outcome", sort=False)["week"].min().items():
        if BASELINE < first < LONGEST:  # later weeks are dates, which is said already
            text = (
                f"nobody has {plain(outcome)} before week {first:g}: is the baseline missing, or do weeks count from "
                "another day than randomisation? Without it the model says what it was"
            )
            yield Problem(file, text, kind=f"no baseline {outcome}")


def constant_outcomes(file: str, visits: pd.DataFrame) -> Iterator[Problem]:
    """Outcomes with one and the same value in every row."""
    known = visits[(visits["outcome"] != "") & visits["value"].notna()]
    for outcome, rows in known.groupby("outcome", sort=False):
        if len(rows) > 1 and rows["value"].nunique() == 1 and rows["censoring"].nunique() == 1:
            censored = " (all censored)" if rows["censoring"].iloc[0] else ""
            text = (
                f"{plain(outcome)} does not vary: it is {rows['value'].iloc[0]:g} in all {len(rows):,} rows{censored}; "
                "check the column that it comes from: nothing can be learned from it"
            )
            yield Problem(file, text, kind=f"does not vary {outcome}")


def values_at_limits(
    file: str, visits: pd.DataFrame, outcome: str, limits: tuple[float, float], remedy: str = ""
) -> Iterator[Problem]:
    """Limits of an outcome at which a large share of its values lies.

    Parameters
    ----------
    limits : (low, high)
        Either may be infinite.
    remedy : str
        What to do; default: the lines of a configuration.
    """
    values = visits.loc[(visits["outcome"] == outcome) & (visits["censoring"] == ""), "value"].dropna()
    if values.nunique() < 2:  # that it does not vary is said already
        return
    for limit, side, where in ((limits[0], "below", "lowest"), (limits[1], "above", "highest")):
        n = int((values == limit).sum())
        if n > AT_LIMIT * len(values):
            todo = remedy or (
                f"in a longitudinal or joint model write limits = [{limits[0]:g}, {limits[1]:g}] and "
                "censor_at_limits = true under its [[model.outcomes]]"
            )
            text = (
                f"{n:,} of {len(values):,} values of {plain(outcome)} ({100 * n / len(values):.0f} %) are its {where} "
                f"possible, {limit:g}; taken as exact they flatten the course; if they stand for anything {side} "
                f"it, {todo}"
            )
            yield Problem(file, text, kind=at_limit(outcome))


def at_limit(outcome: str) -> str:
    """Kind of the warning about an outcome's values at its limits."""
    return f"at limit {outcome}"


def implausible(outcome: str, value: float) -> str:
    """Kind of the warning about an implausible value of an outcome."""
    return f"implausible {outcome} {value:.10g}"


def late_weeks(file: str, table: pd.DataFrame) -> Iterator[Problem]:
    """Weeks so large that they are rather dates written as numbers."""
    weeks = table["week"].dropna()
    late = weeks[np.isfinite(weeks) & (weeks > LONGEST)]
    if len(late) > 0.5 * len(weeks):
        text = (
            f"{len(late):,} of {len(weeks):,} weeks are above {LONGEST:g} (median {late.median():.10g}): dates written "
            "as numbers? Weeks since randomisation are (date - date of randomisation) / 7, dates in days"
        )
        yield Problem(file, text, kind="late weeks")


def is_code(value: float) -> bool:
    """Whether a number is a common code for a missing value: -9, -99, 99, 888, 9999."""
    return _CODE.fullmatch(f"{value:.10g}".replace(".", "")) is not None


def missing_codes(values: pd.Series) -> dict[float, list[int]]:
    """Numbers that look like codes for a missing value and stand apart from the other values, with their rows."""
    finite = values[np.isfinite(values)]
    coded = finite.isin([value for value in finite.unique() if is_code(value)])
    others = finite[~coded]
    if not coded.any() or len(others) < FEW:
        return {}
    low, high = np.quantile(others, [0.25, 0.75])
    reach = FAR * (high - low)
    apart = finite[coded & ((finite < low - reach) | (finite > high + reach))]
    return {float(value): [int(row) for row in rows.index] for value, rows in apart.groupby(apart)}


def value_problem(
    file: str, table: pd.DataFrame, what: str, value: float, rows: Iterable[int], why: str, kind: str
) -> Problem:
    """A doubtful value with the number of rows that have it; a single one with its person and week."""
    rows = list(rows)
    if len(rows) == 1:
        cells = table.loc[rows[0]]
        where = {"row": rows[0], "person": cells.get("person", ""), "week": cells.get("week")}
        return Problem(file, f"{plain(what)} is {value:.10g}{why}", kind=kind, **where)
    text = f"{plain(what)} is {value:.10g} in {len(rows):,} rows ({plain(row_ranges(rows), 100)}){why}"
    return Problem(file, text, kind=kind)


def _code_problems(
    file: str, table: pd.DataFrame, column: str, what: str, remedy: str, keep: pd.Series | None = None
) -> Iterator[Problem]:
    values = table[column] if keep is None else table.loc[keep, column]
    for value, rows in missing_codes(values).items():
        why = f", far from all other values: a missing-value code? If so, {remedy}"
        yield value_problem(file, table, what, value, rows, why, implausible(what, value))


def _codes_of_visits(file: str, visits: pd.DataFrame, limits: Mapping[str, Limits]) -> Iterator[Problem]:
    for outcome in visits["outcome"].unique():
        if outcome:
            mine = (visits["outcome"] == outcome) & (visits["censoring"] == "")
            bounds = limits.get(outcome, Limits())  # what lies beyond them is refused
            mine &= visits["value"].between(bounds.low, bounds.high)
            yield from _code_problems(file, visits, "value", outcome, NO_ROW, mine)
    yield from _code_problems(file, visits, "week", "week", "write the week of the visit, or delete such rows")


def _codes_of_persons(file: str, persons: pd.DataFrame, visits: pd.DataFrame) -> Iterator[Problem]:
    last = visits["week"].max()
    starts = persons["drug_start_week"]
    for value in starts[np.isfinite(starts) & (starts > last)].unique():
        if is_code(value):
            rows = persons.index[starts == value]
            why = ", after every visit: never? Then leave the cell blank"
            kind = implausible("drug_start_week", value)
            yield value_problem(file, persons, "drug_start_week", value, rows, why, kind)
    for column in persons.columns[3:]:
        if pd.api.types.is_float_dtype(persons[column]):
            yield from _code_problems(file, persons, str(column), str(column), "leave the cell blank")


def means_warnings(file: str, rows: pd.DataFrame) -> tuple[Problem, ...]:
    """What is doubtful in the rows of a table of means."""
    found: list[Problem] = []
    for outcome, part in rows.groupby("outcome", sort=False):
        estimates = part["estimate"]
        if len(part) > 1 and estimates.nunique() == 1:
            text = f"{plain(outcome)} does not vary: every estimate is {estimates.iloc[0]:g}; check the column"
            found.append(Problem(file, text, kind=f"does not vary {outcome}"))
        logs = (part["scale"] == "log_ratio_to_baseline").all()
        if logs and looks_like_ratios(estimates):
            text = (
                f"all {len(part):,} estimates of {plain(outcome)} are above 0 and around 1 ({estimates.min():g} to "
                f"{estimates.max():g}): ratios? {_TAKE_LOGS}"
            )
            found.append(Problem(file, text, kind=f"ratios {outcome}"))
        for value, at in missing_codes(estimates).items():
            which = [f"{plain(part.at[k, 'start_group'])} at week {in_full(part.at[k, 'week'])}" for k in at[:3]]
            where = f"{', '.join(which)}{', ...' if len(at) > 3 else ''}"
            why = "far from all others: a missing-value code? Then delete the row"
            text = f"the estimate of {plain(outcome)} is {value:.10g} in {where}; {why}"
            found.append(Problem(file, text, kind=implausible(str(outcome), value)))
    return in_order(found)


_TAKE_LOGS = (
    "Logarithms are expected: write ln(ratio), with the standard error of the logarithm, "
    "(ln(upper) - ln(lower)) / 3.92 of a 95 % interval"
)


def trial_warnings(
    file: str,
    columns: Iterable[str],
    rows: pd.DataFrame,
    units: Mapping[str, str],
    measures: Mapping[str, str],
) -> tuple[Problem, ...]:
    """What is doubtful in a table of trials.

    Parameters
    ----------
    columns : iterable of str
        Names of the table's columns.
    rows : pandas.DataFrame
        The used rows.
    units : mapping of str to str
        Unit of the effects on `surrogate` and `outcome`, blank where it was not stated.
    measures : mapping of str to str
        Their effect measures.
    """
    here = [str(column) for column in columns]
    found: list[Problem] = []
    for wanted, names in LOOKALIKES.items():
        for column in here:
            if wanted not in here and re.sub(r"[\W_]", "", column).casefold() in names:
                text = (
                    f'column "{plain(column)}" is kept as text and not used; if it is what this package calls '
                    f'"{wanted}", rename it to that'
                )
                found.append(Problem(file, text, kind=f"looks like {wanted} {column}"))
    for end, unit in units.items():
        effects = rows.loc[rows[f"{end}_kind"] != "none", f"{end}_effect"]
        if len(effects) > 1 and effects.nunique() == 1:
            text = (
                f"{end}_effect does not vary: it is {effects.iloc[0]:g} in all {len(effects):,} rows; check the column"
            )
            found.append(Problem(file, text, kind=f"does not vary {end}"))
        stated = effects if f"{end}_ratio" not in here else effects[rows.loc[effects.index, f"{end}_ratio"] == ""]
        if stated.nunique() > 1 and looks_like_ratios(stated) and (not unit or _SAYS_RATIO.search(unit)):
            known = MEASURES[measures[end]].ratio
            unless = "If they are logarithms, leave them" if known else "If they are differences, state their unit"
            text = (
                f"all {len(stated):,} values of {end}_effect are above 0 and around 1 ({stated.min():g} to "
                f"{stated.max():g}): ratios? Differences or logarithms are expected, 0 where there is no effect. "
                f"{_TAKE_LOGS}. {unless}"
            )
            found.append(Problem(file, text, kind=f"ratios {end}"))
        large = rows.loc[effects.index[effects.abs() > LARGEST_SDS], "trial"]
        if measures[end] == "standardised_mean_difference" and len(large):
            which = f"{quoted(large[:3])}{', ...' if len(large) > 3 else ''}"
            text = (
                f"{end}_effect is beyond {LARGEST_SDS:g} SD in trial {which}: a mean difference in another "
                "unit? Divide by the SD between persons of an arm"
            )
            found.append(Problem(file, text, kind=f"large {end}"))
        for value, at in missing_codes(effects).items():
            which = f"{quoted(rows.loc[at[:3], 'trial'])}{', ...' if len(at) > 3 else ''}"
            text = (
                f"{end}_effect is {value:.10g} in trial {which}, far from all others: a missing-value code? Then leave "
                "the cell blank"
            )
            found.append(Problem(file, text, kind=implausible(end, value)))
    return in_order(found)


def looks_like_ratios(effects: pd.Series) -> bool:
    """Whether effects look like ratios of two groups, 1 where there is no effect."""
    low, high = RATIOS
    values = effects.dropna()
    return bool(len(values) > 2 and values.between(low, high).all() and 0.5 <= values.median() <= 2)
