"""Borrowing under drift: how often is a drug found to help, by how much the external controls' rate differs from ours?

    python -m validation.borrowing no_effect --out reports/validation/borrowing/no_effect
    python -m validation.borrowing effect --out reports/validation/borrowing/effect

A small randomised trial (27 on the drug, 13 controls) beside 100 external controls. The drug is found to help if the
posterior probability that it slows the decline is above .975. `no_effect`: how often that is, of a drug that does
nothing (type I error); `effect`: of one that does (power). Each trial is analysed on its own, and with external
controls whose rate is that of ours or faster: faster ones make the drug look better than it is. External controls of
one trial differ between drifts by the drift alone, so that drifts are compared within trials.

The posterior is that of `LongitudinalModel`, computed without its sampler (`exact`); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.parts.borrowing import Commensurate, RobustMixture
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.reporting.drawing import COLOURS, MARKERS, png_bytes
from bayesmodels.study import Study
from bayesmodels.trials.results import Results
from bayesmodels.trials.specification import TrialsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.borrowing import exact

ACTIVE, CONTROL, EXTERNAL = 27, 13, 100
WEEKS = (0.0, 8.0, 16.0, 24.0)
TRUE_RATE, TRUE_RATE_SD, TRUE_LEVEL, TRUE_LEVEL_SD, TRUE_ERROR_SD = -1.0, 0.8, 37.0, 6.0, 2.0
EXTERNAL_LEVEL = 35.0
EFFECTS = {"no_effect": 0.0, "effect": 0.6}
"""Points a month that the drug adds to the rate, by variant."""

PRIOR_SD = exact.RATE[1]
"""Of our untreated rate, points a month; drifts are given in these units."""

DRIFTS = (0.0, 0.25, 0.5, 1.0)
"""By how many prior SDs the external rate is faster than ours."""

DRIFTS_SAID = f"External controls decline faster by, prior SDs of the rate ({PRIOR_SD:g} points a month)"
RULE = 0.975
MONTH_IN_WEEKS = 365.25 / 12 / 7
OURS = "ours"

SCORE = Outcome(
    name="score", unit="points", good_direction="up", typical=Typical(level=37.0, spread=6.0, rate=1.0),
    level=Normal(mean=exact.LEVEL[0], sd=exact.LEVEL[1], source="study"),
    rate=Normal(mean=exact.RATE[0], sd=exact.RATE[1], source="study"),
    level_sd=HalfNormal(sd=exact.LEVEL_SD, source="study"), rate_sd=HalfNormal(sd=exact.RATE_SD, source="study"),
    residual_sd=HalfNormal(sd=exact.ERROR_SD, source="study"),
    effect=SlopeChange(size=Normal(mean=exact.EFFECT[0], sd=exact.EFFECT[1], source="study: wide")),
)  # fmt: skip

METHODS: Mapping[str, Any] = {
    "no borrowing": None,
    "commensurate": Commensurate(trial=OURS),
    "robust mixture": RobustMixture(trial=OURS),
    "pooled": Commensurate(trial=OURS, tau=0.001),
}


@dataclass(frozen=True, kw_only=True)
class BorrowingSpec(TrialsSpec):
    """Specification of the study.

    Parameters
    ----------
    variant, seed
        As of every study.
    draws : int
        Importance draws of SDs and correlation.
    """

    draws: int = 400


def visits_of(rng: np.random.Generator, effect: float) -> list[np.ndarray]:
    """Visits (person, visit) of active, control and external persons, these without drift."""
    months, found = np.array(WEEKS) / MONTH_IN_WEEKS, []
    groups = ((ACTIVE, TRUE_LEVEL, effect), (CONTROL, TRUE_LEVEL, 0.0), (EXTERNAL, EXTERNAL_LEVEL, 0.0))
    for n, mean, more in groups:
        level = mean + TRUE_LEVEL_SD * rng.standard_normal(n)
        rate = TRUE_RATE + more + TRUE_RATE_SD * rng.standard_normal(n)
        error = TRUE_ERROR_SD * rng.standard_normal((n, len(WEEKS)))
        found.append(level[:, None] + rate[:, None] * months + error)
    return found


def drifted(groups: list[np.ndarray], drift: float) -> list[np.ndarray]:
    """The same with external persons whose rate is faster by `drift` prior SDs."""
    active, control, external = groups
    return [active, control, external - drift * PRIOR_SD * np.array(WEEKS) / MONTH_IN_WEEKS]


def study_of(groups: list[np.ndarray]) -> Study:
    """The study of our trial beside the external controls, as an analyst would have it."""
    sizes = [len(group) for group in groups]
    persons = pd.DataFrame(
        {
            "person": np.arange(sum(sizes)).astype(str),
            "start_group": np.repeat(["active", "control", "control"], sizes),
            "drug_start_week": np.repeat([0.0, np.nan, np.nan], sizes),
            "trial": np.repeat([OURS, OURS, "earlier"], sizes),
        }
    )
    visits = pd.DataFrame(
        {
            "person": np.repeat(persons["person"].to_numpy(), len(WEEKS)),
            "week": np.tile(WEEKS, len(persons)),
            "outcome": SCORE.name,
            "value": np.concatenate(groups).ravel(),
        }
    )
    return Study.from_frames(
        persons, visits, name="simulated", reference_group="control", curve_weeks=WEEKS, trial=OURS
    )


@cache
def the_model(method: str) -> LongitudinalModel:
    """The package's model of an analysis."""
    return LongitudinalModel(outcomes=(SCORE,), borrowing=METHODS[method])


def sds_of(method: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of the drift's SD and their weights, of an analysis that borrows."""
    borrowing = METHODS[method]
    if isinstance(borrowing, RobustMixture):
        return exact.drift_sds(mixture=(borrowing.weight, borrowing.narrow, borrowing.wide))
    if isinstance(borrowing.tau, HalfNormal):
        return exact.drift_sds(tau=borrowing.tau.sd)
    return exact.drift_sds(fixed=borrowing.tau)


def analyse(spec: BorrowingSpec, number: int) -> dict[str, Any]:
    """Simulate one trial with its external controls, and analyse it by every method at every drift.

    Returns
    -------
    dict
        `rows`: one for each, with method, drift (None without borrowing) and the posterior of the effect.
    """
    rng = spec.stream(number)
    months, truth = np.array(WEEKS) / MONTH_IN_WEEKS, EFFECTS[spec.variant]
    groups = visits_of(rng, truth)
    own = exact.summary_of(groups[:2], months)
    rows = [{"method": "no borrowing", "drift": None, **_row(own, exact.spread_of(own, spec.draws, rng), truth)}]
    spread = exact.spread_of(exact.summary_of(groups, months), spec.draws, rng)  # a drift does not change the scatter
    for method in list(METHODS)[1:]:
        for drift in DRIFTS:
            data = exact.summary_of(drifted(groups, drift), months)
            rows.append({"method": method, "drift": drift, **_row(data, spread, truth, method)})
    return {"rows": rows}


def _row(data: exact.Summary, spread: exact.Spread, truth: float, method: str = "") -> dict[str, float]:
    found = exact.posterior(data, spread, *sds_of(method)) if method else exact.posterior(data, spread)
    row = {name: found[name] for name in ("above_zero", "mean", "sd", "share_used", "ess") if name in found}
    row["below_truth"] = found["cdf"](truth)
    if method and isinstance(METHODS[method], RobustMixture):
        row["narrow"] = float(found["of_sd"][0])
    return exact.rounded(row)


def results(records: list[dict[str, Any]], spec: TrialsSpec) -> Results:
    """A row an analysis, how often each finds an effect at each drift, and a figure of it."""
    rows = pd.DataFrame([{"trial": record["trial"], **row} for record in records for row in record["rows"]])
    table = characteristics(rows, EFFECTS[spec.variant])
    counts = {
        "analyses": len(rows), "true_effect": EFFECTS[spec.variant], "smallest_ess": float(rows["ess"].min()),
        "median_ess": float(rows["ess"].median()),
    }  # fmt: skip
    return Results({"characteristics": table}, counts, {"found": png_bytes(figure(table, spec.variant), dpi=90)})


def characteristics(rows: pd.DataFrame, truth: float, rule: float = RULE) -> pd.DataFrame:
    """Share of trials in which the drug is found to help, bias, and coverage, a row an analysis and drift."""
    found = []
    whole = rows.assign(drift=rows["drift"].astype(float).fillna(-1.0), helped=rows["above_zero"] > rule)
    whole["covered"] = whole["below_truth"].between(0.025, 0.975)
    alone = whole.loc[whole["method"] == "no borrowing"].set_index("trial")["helped"]
    for (method, drift), own in whole.groupby(["method", "drift"], sort=False):
        n, share = len(own), float(own["helped"].mean())
        paired = own["helped"].to_numpy(float) - alone.reindex(own["trial"]).to_numpy(float)
        found.append(
            {
                "method": method, "drift": drift if drift >= 0 else np.nan, "trials": n,
                "helped": int(own["helped"].sum()),
                "share": share, "error": float(np.sqrt(share * (1 - share) / n)),
                "more_than_alone": float(paired.mean()),
                "more_error": float(paired.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan,
                "bias": float(own["mean"].mean() - truth), "bias_error": float(own["mean"].std(ddof=1) / np.sqrt(n)),
                "mean_sd": float(own["sd"].mean()), "covered": int(own["covered"].sum()),
                "share_used": float(own["share_used"].mean()), "narrow": float(own["narrow"].mean()),
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def figure(table: pd.DataFrame, variant: str, drifts: str = DRIFTS_SAID, rule: float = RULE) -> Figure:
    """Share of trials in which the drug is found to help, over drifts, a line an analysis."""
    picture = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = picture.subplots()
    alone = table[table["method"] == "no borrowing"].iloc[0]
    axes.axhline(alone["share"], color=COLOURS[5], lw=1.6, label="no borrowing")
    axes.axhspan(
        alone["share"] - 1.96 * alone["error"], alone["share"] + 1.96 * alone["error"], color=COLOURS[5], alpha=0.12
    )
    for j, (method, own) in enumerate(table[table["method"] != "no borrowing"].groupby("method", sort=False)):
        place = own["drift"] + 0.012 * (j - 1)
        axes.errorbar(
            place,
            own["share"],
            1.96 * own["error"],
            color=COLOURS[j],
            marker=MARKERS[j],
            capsize=3,
            lw=1.6,
            label=method,
        )
    if variant == "no_effect":
        axes.axhline(1 - rule, color="#444444", lw=0.8, ls=":")
    axes.set_ylim(-0.02, 1.0)
    axes.set_xticks(DRIFTS)
    axes.set_xlabel(drifts)
    axes.set_ylabel("Trials that find an effect")
    axes.legend(fontsize=8, frameon=False, loc="upper left" if variant == "no_effect" else "lower right")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return picture


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Rows by analysis, and what the trials were made from."""
    table = files["characteristics"]
    by_method = {str(method): own for method, own in table.groupby("method", sort=False)}
    alone = by_method.pop("no borrowing").iloc[0]
    worst = {method: own.sort_values("share").iloc[-1] for method, own in by_method.items()}
    last = {method: own.sort_values("drift").iloc[-1] for method, own in by_method.items()}
    without = {method: own[own["drift"] == 0].iloc[0] for method, own in by_method.items()}
    far = table[table["share"] - 1.96 * table["error"] > 1 - RULE]
    return {
        "inflated": list(dict.fromkeys(far["method"])),
        "table": table, "alone": alone, "last": last, "worst": worst,
        "without": without, "prior_sd": PRIOR_SD, "rule": RULE,
        "sizes": (ACTIVE, CONTROL, EXTERNAL), "weeks": WEEKS, "truth": EFFECTS[variant.spec.variant],
        "drawn": {
            "rate": TRUE_RATE,
            "rate_sd": TRUE_RATE_SD,
            "level_sd": TRUE_LEVEL_SD,
            "error_sd": TRUE_ERROR_SD,
        },
    }  # fmt: skip


def _variant(name: str, title: str, trials: int) -> Variant:
    spec = BorrowingSpec(variant=name)
    return Variant(f"Borrowing under drift: {title}", f"reports/validation/borrowing/{name}", spec, trials)


STUDY = TrialsStudy(
    "validation.borrowing",
    __doc__,
    (
        _variant("no_effect", "type I error of a drug that does nothing", 400),
        _variant("effect", "power for a drug that slows the decline", 400),
    ),
    analyse,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
