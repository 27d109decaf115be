"""Two-group comparison of a trial as arrays, made from its tables, and the rank analyses of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.statistics.comparison import Comparison
from bayesmodels.statistics.covariance_analysis import ancova
from bayesmodels.statistics.followup import CENSORED, Array, Mask, labels_of
from bayesmodels.statistics.least_squares import as_numbers
from bayesmodels.statistics.ranks.pairs import pairwise_scores
from bayesmodels.statistics.ranks.rank import cafs, joint_rank, win_ratio


@dataclass(frozen=True)
class TwoGroupTrial:
    """Two start groups compared on one outcome and survival up to a week.

    Parameters
    ----------
    group, reference : str
    outcome, good_direction, unit : str
        Unit of a change: the outcome's, or ``ln`` where values are compared as logarithms.
    week : float
        End of the comparison.
    visit_weeks : array (visit,)
        Weeks of the visits after baseline, up to `week`, rising.
    person : array (person,)
        Labels, in the order of the persons table. For joining only: never printed.
    in_group : array (person,) of bool
    time : array (person,)
        Exit, weeks; the last visit where there is no events table.
    died : array (person,) of bool
        Whether a terminal event happened then.
    baseline : array (person,)
        Value at week 0, NaN where missing.
    change : array (person, visit)
        Change since week 0, NaN where missing.
    stratum : array (person,) or None
    covariates : DataFrame
        One row per person.
    """

    group: str
    reference: str
    outcome: str
    good_direction: str
    unit: str
    week: float
    visit_weeks: Array
    person: npt.NDArray
    in_group: Mask
    time: Array
    died: Mask
    baseline: Array
    change: Array
    stratum: npt.NDArray | None
    covariates: pd.DataFrame

    @property
    def at_week(self) -> Array:
        """Change at `week`, (person,); NaN where it was not observed."""
        return self.change[:, -1]


def two_group_trial(
    persons: pd.DataFrame,
    visits: pd.DataFrame,
    events: pd.DataFrame | None,
    *,
    outcome: str,
    week: float,
    visit_weeks: Sequence[float],
    group: str,
    reference: str,
    good_direction: str,
    terminal: Sequence[str] = (),
    log: bool = False,
    unit: str = "",
    strata: bool = False,
    covariates: Sequence[str] = (),
) -> TwoGroupTrial:
    """Arrays of a comparison, from the tables of a study or of a simulated trial.

    Parameters
    ----------
    persons : DataFrame
        person, start_group, optional stratum and covariates; other start groups than the two are left out.
    visits : DataFrame
        person, week, outcome, value. The value at week 0 is the baseline. A later visit counts for the nearest of
        `visit_weeks`, if nearer to it than to week 0; of two the nearer one. A value at an assay's limit counts as is.
    events : DataFrame or None
        person, week, event ("none" where nothing happened); one row per person. None: nobody died, followed to the last
        visit.
    outcome : str
    week : float
        End of the comparison, one of `visit_weeks`.
    visit_weeks : sequence of float
        Nominal weeks of the visits; those up to `week` are used. Visits past the midpoint between `week` and the next
        nominal week are not.
    group, reference : str
        Start groups.
    good_direction : {"up", "down"}
    terminal : sequence of str
        Events that count as death; any other exit is censoring.
    log : bool
        Compare logarithms.
    unit : str
        Of a value; for the words of results.
    strata : bool
        Use the stratum column.
    covariates : sequence of str
        Columns of `persons`.

    Raises
    ------
    BadInput
        A week, start group, outcome or column that is not there, covariates that are no numbers, persons without an
        exit, delayed entry, events that are missing or no text, or one that differs from a terminal one or "none" only
        by case or blanks.
    """
    weeks = np.array(sorted({float(w) for w in visit_weeks if w > 0}))
    wanted = [*(["stratum"] if strata else []), *covariates]
    problems = [
        f"{name}: expected one of {', '.join(map(str, there))}, got {value!r}"
        for name, value, there in (
            ("week", float(week), weeks.tolist()),
            ("group", group, sorted(persons["start_group"].unique())),
            ("reference", reference, sorted(persons["start_group"].unique())),
            ("outcome", outcome, sorted(visits["outcome"].unique())),
            *(("column", name, list(persons.columns)) for name in wanted),
        )
        if value not in there
    ]
    if problems:
        raise BadInput(problems)
    used = persons[persons["start_group"].isin([group, reference])].reset_index(drop=True)
    rows = visits[visits["outcome"] == outcome]
    last = visits.groupby("person")["week"].max().reindex(used["person"]).fillna(0.0).to_numpy(float)
    time, died = (last, np.zeros(len(used), bool)) if events is None else _exits(used["person"], events, terminal)
    values = visit_matrix(used["person"], rows, np.concatenate([[0.0], weeks]))
    values = np.log(values) if log else values
    early = np.concatenate([[True], weeks <= week])
    return TwoGroupTrial(
        group, reference, outcome, good_direction, "ln" if log else unit, float(week), weeks[weeks <= week],
        used["person"].to_numpy(), (used["start_group"] == group).to_numpy(), time, died, values[:, 0],
        (values - values[:, [0]])[:, early][:, 1:], used["stratum"].to_numpy() if strata else None,
        pd.DataFrame(as_numbers({name: used[name] for name in covariates}), index=used.index),
    )  # fmt: skip


def rank_comparisons(
    trial: TwoGroupTrial, *, adjust_for_baseline: bool = True, margin: float = 0.0, level: float = 0.95
) -> dict[str, Comparison]:
    """Joint rank test, CAFS, win ratio, and ANCOVA of the observed changes at the week.

    Parameters
    ----------
    trial : TwoGroupTrial
    adjust_for_baseline : bool
        Adjust CAFS and ANCOVA for the value at week 0, beside the trial's covariates and strata.
    margin : float
        Largest difference of changes that counts as a tie.
    level : float
        Of the confidence intervals.

    Returns
    -------
    dict
        Keys ``joint rank``, ``CAFS``, ``win ratio``, ``ANCOVA``.
    """
    pairs = pairwise_scores(
        trial.time, trial.died, trial.change, until=trial.week, visit_time=trial.visit_weeks,
        good_direction=trial.good_direction, margin=margin,
    )  # fmt: skip
    adjusted = covariates_of(trial, adjust_for_baseline)
    mine, strata, group, reference = trial.in_group, trial.stratum, trial.group, trial.reference
    return {
        "joint rank": joint_rank(pairs, mine, strata=strata, group=group, reference=reference, level=level),
        "CAFS": cafs(
            pairs, mine, covariates=adjusted, strata=strata, group=group, reference=reference, level=level
        ),
        "win ratio": win_ratio(pairs, mine, strata=strata, group=group, reference=reference, level=level),
        "ANCOVA": ancova(
            trial.at_week, mine, covariates=adjusted, strata=strata, good_direction=trial.good_direction,
            unit=trial.unit, group=group, reference=reference, level=level,
        ),
    }  # fmt: skip


def covariates_of(trial: TwoGroupTrial, baseline: bool) -> dict[str, Array]:
    """Covariates by name, the baseline value first where asked for.

    Parameters
    ----------
    trial : TwoGroupTrial
    baseline : bool
        Whether the baseline value is one.
    """
    found = {"baseline": trial.baseline} if baseline else {}
    return found | {str(name): trial.covariates[name].to_numpy(float) for name in trial.covariates}


def visit_matrix(person: pd.Series, visits: pd.DataFrame, nominal: Array) -> Array:
    """Values (person, nominal week): the visit nearest to each week, NaN where none is; week 0 is taken exactly.

    Parameters
    ----------
    person : pandas.Series
        Labels, in the order of the rows.
    visits : pandas.DataFrame
        person, week, value of one outcome.
    nominal : array (week,)
        Nominal weeks, rising.
    """
    found = np.full((len(person), len(nominal)), np.nan)
    row = pd.Series(np.arange(len(person)), index=person)
    known = visits[visits["person"].isin(row.index)]
    week = known["week"].to_numpy(float)
    edges = (nominal[1:] + nominal[:-1]) / 2
    slot = np.searchsorted(edges, week, side="left")
    reach = 2 * nominal[-1] - edges[-1] if len(edges) else 0.0  # as far after the last week as before it
    used = np.where(slot == 0, week == 0, week <= reach)
    nearest_last = np.argsort(-np.abs(week - nominal[slot]), kind="stable")
    order = nearest_last[used[nearest_last]]
    found[row.loc[known["person"]].to_numpy()[order], slot[order]] = known["value"].to_numpy(float)[order]
    return found


def _exits(person: pd.Series, events: pd.DataFrame, terminal: Sequence[str]) -> tuple[Array, Mask]:
    by_person = events.set_index("person")
    absent = int((~person.isin(by_person.index)).sum())
    if absent or by_person.index.has_duplicates:
        raise BadInput(f"events: expected one row per person; {absent} persons of these groups have none")
    mine = by_person.loc[person]
    if "entry_week" in mine and (mine["entry_week"].fillna(0) > 0).any():
        raise BadInput("events: expected persons followed from randomisation; rank analyses know no delayed entry")
    died = labels_of(mine["event"], tuple(terminal), CENSORED)[1] if len(terminal) else np.zeros(len(mine), bool)
    return mine["week"].to_numpy(float), died
