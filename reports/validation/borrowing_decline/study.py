"""Borrowing in the shared-rate model under drift: how often is a drug found to help that does nothing?

    python -m validation.borrowing_decline no_effect --out reports/validation/borrowing_decline/no_effect
    python -m validation.borrowing_decline effect --out reports/validation/borrowing_decline/effect

The trials of `validation.borrowing`, analysed by `SharedRateModel`: 27 persons on the drug and 13 controls, randomised,
beside 100 external controls. The drug is found to help if the posterior probability of a disease rate ratio below 1 is
above .979, the protocol's rule. `no_effect`: how often that is, of a drug that does nothing (type I error); `effect`:
of one that does (power). Nobody dies in the 24 weeks, so that all is learned from the decline. Each trial is analysed
on its own, and with external controls whose decline is that of ours or faster by a factor.

The posterior is that of the package's model, computed without its sampler (`exact`); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.shared_rate.priors import SharedRatePriors
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.study import Study
from bayesmodels.trials.results import Results
from bayesmodels.trials.specification import TrialsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.borrowing.exact import rounded
from validation.borrowing.study import (
    ACTIVE,
    CONTROL,
    EXTERNAL,
    EXTERNAL_LEVEL,
    METHODS,
    OURS,
    TRUE_ERROR_SD,
    TRUE_LEVEL,
    TRUE_LEVEL_SD,
    TRUE_RATE_SD,
    WEEKS,
    characteristics,
    figure,
    sds_of,
)
from validation.borrowing_decline import exact

TRUE_DECLINE = 1.0
"""Of the control, points a month of 52/12 weeks."""

RATIOS = {"no_effect": 1.0, "effect": 0.4}
"""True disease rate ratio, by variant."""

UNIT = SharedRatePriors().external_log_rate_unit
"""Log rate; drifts are given in these units."""

DRIFTS = (0.0, 0.25, 0.5, 1.0)
"""By how many units of the log rate external controls decline faster than ours."""

RULE = 0.979
MONTHS = np.array(WEEKS) * 12 / 52


@dataclass(frozen=True, kw_only=True)
class DeclineSpec(TrialsSpec):
    """Specification of the study.

    Parameters
    ----------
    variant, seed
        As of every study.
    """


def visits_of(rng: np.random.Generator, ratio: float) -> list[np.ndarray]:
    """Visits (person, visit) of active, control and external persons, these without drift."""
    found = []
    for n, mean, own in ((ACTIVE, TRUE_LEVEL, ratio), (CONTROL, TRUE_LEVEL, 1.0), (EXTERNAL, EXTERNAL_LEVEL, 1.0)):
        level = mean + TRUE_LEVEL_SD * rng.standard_normal(n)
        decline = own * (TRUE_DECLINE + TRUE_RATE_SD * rng.standard_normal(n))
        error = TRUE_ERROR_SD * rng.standard_normal((n, len(WEEKS)))
        found.append(level[:, None] - decline[:, None] * MONTHS + error)
    return found


def faster_by(drift: float) -> float:
    """Points a month by which external controls decline faster at a drift, in units of the log rate."""
    return TRUE_DECLINE * float(np.expm1(UNIT * drift))


def study_of(groups: list[np.ndarray]) -> Study:
    """The study of our trial beside the external controls, as an analyst would have it."""
    sizes = [len(group) for group in groups]
    labels = np.arange(sum(sizes)).astype(str)
    persons = pd.DataFrame(
        {
            "person": labels,
            "start_group": np.repeat(["active", "control", "control"], sizes),
            "drug_start_week": np.repeat([0.0, np.nan, np.nan], sizes),
            "trial": np.repeat([OURS, OURS, "earlier"], sizes),
        }
    )
    visits = {
        "person": np.repeat(labels, len(WEEKS)), "week": np.tile(WEEKS, len(labels)), "outcome": "alsfrs_r",
        "value": np.concatenate(groups).ravel(),
    }  # fmt: skip
    return Study.from_frames(
        persons, pd.DataFrame(visits), pd.DataFrame({"person": labels, "week": WEEKS[-1], "event": "none"}),
        name="simulated", reference_group="control", curve_weeks=WEEKS, trial=OURS,
        extra_limits={"alsfrs_r": (-1e9, 1e9, False)},
    )  # fmt: skip


@cache
def the_model(method: str) -> SharedRateModel:
    """The package's model of an analysis."""
    return SharedRateModel(borrowing=METHODS[method])


def followed() -> tuple[float, float]:
    """Months of follow-up of all active and of all control persons."""
    return ACTIVE * float(MONTHS[-1]), CONTROL * float(MONTHS[-1])


def analyse(spec: DeclineSpec, number: int) -> dict[str, Any]:
    """Simulate one trial with its external controls, and analyse it by every method at every drift.

    Returns
    -------
    dict
        `rows`: one for each, with method, drift (None without borrowing) and the posterior of the share of the decline
        that the drug removes.
    """
    ratio = RATIOS[spec.variant]
    groups = [exact.group_of(y, MONTHS) for y in visits_of(spec.stream(number), ratio)]
    alone = exact.posterior(exact.likelihood_of(groups[:2], MONTHS), followed(), 1 - ratio)
    rows = [{"method": "no borrowing", "drift": None, **rounded(alone)}]
    data = exact.likelihood_of(groups, MONTHS)
    for method in list(METHODS)[1:]:
        sds, weights = sds_of(method)
        for drift in DRIFTS:
            found = exact.posterior(data, followed(), 1 - ratio, UNIT * sds, weights, faster_by(drift))
            if method != "robust mixture":
                del found["narrow"]
            rows.append({"method": method, "drift": drift, **rounded(found)})
    return {"rows": rows}


def results(records: list[dict[str, Any]], spec: TrialsSpec) -> Results:
    """A row an analysis, how often each finds an effect at each drift, and a figure of it."""
    rows = pd.DataFrame([{"trial": record["trial"], **row} for record in records for row in record["rows"]])
    truth = 1 - RATIOS[spec.variant]
    table = characteristics(rows, truth, RULE)
    x = f"External controls decline faster by, units of the drift ({UNIT:g} of log rate)"
    picture = png_bytes(figure(table, spec.variant, x, RULE), dpi=90)
    return Results({"characteristics": table}, {"analyses": len(rows), "true_share": truth}, {"found": picture})


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Rows by analysis, and what the trials were made from."""
    table = files["characteristics"]
    by_method = {str(method): own for method, own in table.groupby("method", sort=False)}
    alone = by_method.pop("no borrowing").iloc[0]
    far = table[table["share"] - 1.96 * table["error"] > 1 - RULE]
    return {
        "table": table, "alone": alone, "rule": RULE, "unit": UNIT, "ratio": RATIOS[variant.spec.variant],
        "inflated": list(dict.fromkeys(far["method"])),
        "without": {method: own[own["drift"] == 0].iloc[0] for method, own in by_method.items()},
        "last": {method: own.sort_values("drift").iloc[-1] for method, own in by_method.items()},
        "sizes": (ACTIVE, CONTROL, EXTERNAL), "weeks": WEEKS,
        "drawn": {
            "decline": TRUE_DECLINE, "rate_sd": TRUE_RATE_SD, "level_sd": TRUE_LEVEL_SD, "error_sd": TRUE_ERROR_SD
        },
    }  # fmt: skip


def _variant(name: str, title: str) -> Variant:
    spec = DeclineSpec(variant=name)
    folder = f"reports/validation/borrowing_decline/{name}"
    return Variant(f"Borrowing in the shared-rate model under drift: {title}", folder, spec, 400)


STUDY = TrialsStudy(
    "validation.borrowing_decline",
    __doc__,
    (
        _variant("no_effect", "type I error of a drug that does nothing"),
        _variant("effect", "power for a drug that slows the decline"),
    ),
    analyse,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
