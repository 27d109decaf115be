"""Observed event curves by start group and stratum at given weeks, for comparison with a model's curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayesmodels.statistics.followup import CENSORED, event_mask, follow_up, text_labels
from bayesmodels.statistics.nonparametric import aalen_johansen, kaplan_meier
from bayesmodels.vocabulary import ALL

Variables = dict[str, tuple[tuple[str, ...], np.ndarray]]


def observed_event_curves(
    persons: pd.DataFrame,
    events: pd.DataFrame,
    *,
    terminal: Sequence[str],
    weeks: Sequence[float],
    start_groups: Sequence[str],
    strata: Sequence[str],
    kinds: Sequence[str] | None = None,
    level: float = 0.95,
) -> Variables:
    """Kaplan-Meier and Aalen-Johansen curves by cell.

    Parameters
    ----------
    persons : DataFrame
        person, start_group, stratum.
    events : DataFrame
        person, week, event ("none": censored), optional entry_week; one row per person.
    terminal : sequence of str
        Events that end the survival curve; for it every other exit is censoring.
    weeks : sequence of float
    start_groups, strata : sequence of str
        Labels of the cells; stratum "all" takes everyone of a group.
    kinds : sequence of str, optional
        Events whose cumulative incidence is wanted, all events competing; by default those of the table, sorted.
    level : float
        Of the confidence intervals (log-log).

    Returns
    -------
    dict of str to (dims, array)
        As `xarray.Dataset` takes it: `observed_survival`, `observed_survival_lower`, `observed_survival_upper`,
        `at_risk` [start_group, stratum, week]; `observed_incidence` [event, start_group, stratum, week]; `n_events`
        [event, start_group, stratum]. NaN where a curve is unknown, and in cells without persons.
    """
    names = sorted(set(events["event"]) - set(CENSORED)) if kinds is None else list(kinds)
    table = persons[["person", "start_group", "stratum"]].merge(events, on="person", how="inner", validate="1:1")
    cell = (len(start_groups), len(strata))
    survival = np.full((3, *cell, len(weeks)), np.nan)
    incidence = np.full((len(names), *cell, len(weeks)), np.nan)
    counts, at_risk = np.zeros((len(names), *cell)), np.zeros((*cell, len(weeks)))
    for g, group in enumerate(start_groups):
        for f, stratum in enumerate(strata):
            here = table[(table["start_group"] == group) & ((table["stratum"] == stratum) | (stratum == ALL))]
            if here.empty:
                continue
            time, label = here["week"].to_numpy(float), text_labels(here["event"])
            entry = here["entry_week"].fillna(0.0).to_numpy(float) if "entry_week" in here else None
            died = event_mask(np.isin(label, list(terminal)))
            curve = kaplan_meier(time, died, entry, level=level).at(weeks)
            survival[:, g, f] = curve[["estimate", "lower", "upper"]].to_numpy().T
            at_risk[g, f] = follow_up(time, entry, label != CENSORED[0]).at_risk(weeks)
            for e, name in enumerate(names):
                incidence[e, g, f] = aalen_johansen(time, label, name, entry, level=level).at(weeks)["estimate"]
                counts[e, g, f] = (label == name).sum()
    by_cell = ("start_group", "stratum", "week")
    found: Variables = {
        f"observed_survival{edge}": (by_cell, survival[k]) for k, edge in enumerate(("", "_lower", "_upper"))
    }
    return found | {
        "at_risk": (by_cell, at_risk),
        "observed_incidence": (("event", *by_cell), incidence),
        "n_events": (("event", "start_group", "stratum"), counts),
    }
