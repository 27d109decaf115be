"""Interim looks of a planned trial: when they are, what stops it, and what that does to size, time and error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.planning.endpoint import PlannedEndpoint
from bayesmodels.simulation.course import WEEKS_PER_MONTH
from bayesmodels.trials.operating import binomial_limits

LOOK_COLUMNS = ("look", "fraction", "calendar_weeks", "enrolled", "analysed", "predictive")
"""Further columns of the rows of looks: number from 1, share of persons with the endpoint due, weeks since the first
person entered, persons randomised and analysed by then, predictive probability of success at the end."""

Threshold = Annotated[float, Field(ge=0, le=1)]


class InterimLooks(BaseModel):
    """Looks at a trial while it runs: `[interim]`.

    A look takes place when `fraction` of the persons have reached the endpoint's week, in the order in which they
    entered. The fast analysis is of those; a model is fitted to everything known by then of everybody randomised.
    Success: posterior probability above `success`; futility: the predictive probability of success at the end (or the
    posterior one) below `futility`. Success is looked at first.

    Parameters
    ----------
    endpoint : str
        Name of the endpoint that succeeds.
    fractions : tuple of float
        Between 0 and 1, rising.
    success : tuple of float, optional
        Posterior probability at each look; 1 never stops. Default: never.
    futility : tuple of float, optional
        Probability at each look; 0 never stops. Default: never.
    futility_of : str, optional
        Endpoint whose probability stops for futility; default the same. It may be a surrogate.
    futility_by : {"predictive", "posterior"}
        The predictive probability is of the fast analysis only: a fitted model's futility is by the posterior one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)]
    success: tuple[Threshold, ...] = ()
    futility: tuple[Threshold, ...] = ()
    futility_of: str | None = None
    futility_by: Literal["predictive", "posterior"] = "predictive"

    @model_validator(mode="after")
    def _one_threshold_a_look(self) -> InterimLooks:
        problems = []
        if list(self.fractions) != sorted(set(self.fractions)):
            problems.append("fractions: expected numbers that rise")
        for name in ("success", "futility"):
            given = len(getattr(self, name))
            if given not in (0, len(self.fractions)):
                problems.append(f"{name}: expected {len(self.fractions)} numbers, one a look, got {given}")
        if not self.success and not self.futility:
            problems.append("expected success or futility, found neither: nothing would stop the trial")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the endpoints that are looked at."""
        return tuple(dict.fromkeys((self.endpoint, self.futility_of or self.endpoint)))

    def thresholds(self, name: str) -> tuple[float, ...]:
        """Thresholds of `success` or `futility` at each look.

        Parameters
        ----------
        name : {"success", "futility"}
        """
        return getattr(self, name) or ((1.0 if name == "success" else 0.0),) * len(self.fractions)


@dataclass(frozen=True)
class Look:
    """When one look at a simulated trial takes place, and who has entered by then.

    Attributes
    ----------
    number : int
        From 1; the last one is the final analysis.
    fraction : float
        Share of the persons who have reached the endpoint.
    calendar_weeks : float
        From the first person's entry.
    enrolled : int
        Persons randomised by then.
    among : array (person,) of bool
        Those who make up the fraction.
    """

    number: int
    fraction: float
    calendar_weeks: float
    enrolled: int
    among: np.ndarray


def looks_at(entry_weeks: np.ndarray, interim: InterimLooks, due: int, end: int | None = None) -> list[Look]:
    """The looks at a simulated trial, the final analysis last.

    Parameters
    ----------
    entry_weeks : array (person,)
        Calendar weeks from the first person's entry to each person's.
    interim : InterimLooks
    due : int
        Weeks from a person's entry to the endpoint.
    end : int, optional
        Weeks from the last person's entry to the final analysis; default `due`.
    """
    order = np.sort(entry_weeks)
    found = []
    for number, fraction in enumerate((*interim.fractions, 1.0), start=1):
        last = order[ceil(fraction * len(order) - 1e-9) - 1]
        final = number > len(interim.fractions)
        calendar = float(last + (due if end is None or not final else end))
        among = entry_weeks <= last
        found.append(Look(number, float(among.mean()), calendar, int((entry_weeks <= calendar).sum()), among))
    return found


def look_row(look: Look, endpoint: PlannedEndpoint, period: int) -> dict[str, Any]:
    """The row of a look at an endpoint, before it is analysed: without numbers it stops nothing.

    Parameters
    ----------
    look : Look
    endpoint : PlannedEndpoint
    period : int
        Weeks.
    """
    return {
        "kind": "look", "rule": endpoint.name, "outcome": endpoint.outcome,
        "week": float(period + endpoint.weeks_after), "look": look.number, "fraction": look.fraction,
        "calendar_weeks": look.calendar_weeks, "enrolled": look.enrolled, "analysed": 0, "mean": None, "sd": None,
        "probability": None, "predictive": None,
    }  # fmt: skip


def outcomes_of_looks(rows: pd.DataFrame, interim: InterimLooks, endpoint: PlannedEndpoint) -> pd.DataFrame:
    """How each simulated trial ended.

    Parameters
    ----------
    rows : DataFrame
        Rows of looks (`kind` "look"), the final analysis being the last look, and their columns `LOOK_COLUMNS`.
    interim : InterimLooks
    endpoint : PlannedEndpoint
        The one that succeeds.

    Returns
    -------
    DataFrame
        One row a trial: fit, look (at which it ended), ended ("success", "futility", "end"), success, persons
        (randomised by then), months (since the first person entered), success_without_futility (had futility not been
        acted upon), favourable.
    """
    own = rows[rows["kind"] == "look"]
    by = {name: table.pivot(index="fit", columns="look") for name, table in own.groupby("rule")}
    main, other = by[interim.endpoint], by[interim.futility_of or interim.endpoint]
    n = len(interim.fractions)
    probability = main["probability"].to_numpy(float)
    futile = other["predictive" if interim.futility_by == "predictive" else "probability"].to_numpy(float)[:, :n]
    good = np.column_stack(
        [probability[:, :n] > interim.thresholds("success"), probability[:, n] > endpoint.probability]
    )
    bad = np.column_stack([futile < interim.thresholds("futility"), np.zeros(len(main), bool)])
    ends = good | bad
    ends[:, n] = True
    place = ends.argmax(axis=1)
    trial = np.arange(len(main))
    success = good[trial, place]
    ended = np.where(success & (place < n), "success", np.where(place < n, "futility", "end"))
    return pd.DataFrame(
        {
            "fit": main.index.to_numpy(),
            "look": place + 1,
            "ended": ended,
            "success": success,
            "persons": main["enrolled"].to_numpy(float)[trial, place],
            "months": main["calendar_weeks"].to_numpy(float)[trial, place] / WEEKS_PER_MONTH,
            "success_without_futility": good.any(axis=1),
            "favourable": main["favourable"].to_numpy(dtype=object)[:, 0],
        }
    )


def looks_table(trials: pd.DataFrame, interim: InterimLooks, by: Sequence[str] = ()) -> pd.DataFrame:
    """What looks do in each cell.

    Parameters
    ----------
    trials : DataFrame
        From `outcomes_of_looks`, with the columns of `by`.
    interim : InterimLooks
    by : sequence of str
        Columns of the cells.

    Returns
    -------
    DataFrame
        Per cell: trials, successes, share with exact binomial 95 % limits; success_without_futility; for each look the
        shares stopped for success and for futility; mean persons randomised and mean months at the end.
    """
    found = []
    for key, own in trials.groupby(list(by), sort=False, dropna=False):
        n, count = len(own), int(own["success"].sum())
        lower, upper = binomial_limits(count, n)
        row = dict(zip(by, key, strict=True)) | {
            "trials": n, "successes": count, "share": count / n, "lower": lower, "upper": upper,
            "success_without_futility": float(own["success_without_futility"].mean()),
        }  # fmt: skip
        for k, fraction in enumerate(interim.fractions, start=1):
            for kind in ("success", "futility"):
                row[f"{kind}_at_{fraction:g}"] = float(((own["look"] == k) & (own["ended"] == kind)).mean())
        row |= {"expected_persons": own["persons"].mean(), "expected_months": own["months"].mean()}
        found.append(row)
    return pd.DataFrame(found)
