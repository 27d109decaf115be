"""Borrowing under drift: how often is a drug found to help, by how much the external controls' rate differs from ours?

    python -m validation.borrowing no_effect --out reports/validation/borrowing/no_effect
    python -m validation.borrowing effect --out reports/validation/borrowing/effect

A small randomised trial (27 on the drug, 13 controls) beside 100 external controls. The drug is found to help if the
posterior probability that it slows the decline is above .975. `no_effect`: how often that is, of a drug that does
nothing (type I error); `effect`: of one that does (power). Each trial is analysed on its own, and with external
controls whose rate is that of ours or faster: faster ones make the drug look better than it is. External controls of
one trial differ between drifts by the drift alone, so that drifts are compared within trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome, Typical
from bayesmodels.models.visits.design import as_data, design_of
from bayesmodels.models.visits.external import external_data, external_design, external_persons
from bayesmodels.parts.borrowing import Commensurate, RobustMixture
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.parts.priors import HalfNormal, Normal
from bayesmodels.reporting.drawing import COLOURS, MARKERS, png_bytes
from bayesmodels.statistics.borrowing import share_used
from bayesmodels.study import Study
from bayesmodels.trials.results import Results, convergence_counts, fits_table
from bayesmodels.trials.specification import FitsSpec, TrialsSpec
from bayesmodels.trials.study import TrialsStudy, Variant

ACTIVE, CONTROL, EXTERNAL = 27, 13, 100
WEEKS = (0.0, 8.0, 16.0, 24.0)
RATE, RATE_SD, LEVEL, LEVEL_SD, ERROR_SD = -1.0, 0.8, 37.0, 6.0, 2.0
EXTERNAL_LEVEL = 35.0
EFFECTS = {"no_effect": 0.0, "effect": 0.6}
"""Points a month that the drug adds to the rate, by variant."""

PRIOR_SD = 0.5
"""Of our untreated rate, points a month; drifts are given in these units."""

DRIFTS = (0.0, 0.25, 0.5, 1.0)
"""By how many prior SDs the external rate is faster than ours."""

RULE = 0.975
MONTH_IN_WEEKS = 365.25 / 12 / 7
OURS = "ours"

SCORE = Outcome(
    name="score", unit="points", good_direction="up", typical=Typical(level=37.0, spread=6.0, rate=1.0),
    rate=Normal(mean=-1.0, sd=PRIOR_SD, source="study"), rate_sd=HalfNormal(sd=1.0, source="study"),
    residual_sd=HalfNormal(sd=2.5, source="study"),
    effect=SlopeChange(size=Normal(mean=0.0, sd=2.0, source="study: wide, so that it does not hold type I error down")),
)  # fmt: skip

METHODS: Mapping[str, Any] = {
    "no borrowing": None,
    "commensurate": Commensurate(trial=OURS),
    "robust mixture": RobustMixture(trial=OURS),
    "pooled": Commensurate(trial=OURS, tau=0.001),
}


def tables(rng: np.random.Generator, effect: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Persons and visits of a trial and of external controls without drift; visits have months, and no drift yet."""
    n = ACTIVE + CONTROL + EXTERNAL
    persons = pd.DataFrame(
        {
            "person": np.arange(n).astype(str),
            "start_group": ["active"] * ACTIVE + ["control"] * (CONTROL + EXTERNAL),
            "drug_start_week": [0.0] * ACTIVE + [np.nan] * (CONTROL + EXTERNAL),
            "trial": [OURS] * (ACTIVE + CONTROL) + ["earlier"] * EXTERNAL,
        }
    )
    ours = (persons["trial"] == OURS).to_numpy()
    level = np.where(ours, LEVEL, EXTERNAL_LEVEL) + LEVEL_SD * rng.standard_normal(n)
    rate = RATE + RATE_SD * rng.standard_normal(n) + effect * (persons["start_group"] == "active").to_numpy()
    months = np.array(WEEKS) / MONTH_IN_WEEKS
    values = level[:, None] + rate[:, None] * months + ERROR_SD * rng.standard_normal((n, len(WEEKS)))
    visits = pd.DataFrame(
        {
            "person": np.repeat(persons["person"].to_numpy(), len(WEEKS)),
            "week": np.tile(WEEKS, n),
            "outcome": SCORE.name,
            "value": values.ravel(),
        }
    )
    return persons, visits


def study_of(persons: pd.DataFrame, visits: pd.DataFrame, drift: float) -> Study:
    """The study of our trial, beside external controls whose rate is faster by `drift` prior SDs."""
    external = visits["person"].map(persons.set_index("person")["trial"]).to_numpy() != OURS
    moved = visits["value"] - np.where(external, drift * PRIOR_SD * visits["week"] / MONTH_IN_WEEKS, 0.0)
    return Study.from_frames(
        persons, visits.assign(value=moved), name="simulated", reference_group="control", curve_weeks=WEEKS, trial=OURS
    )


@cache
def the_model(method: str) -> LongitudinalModel:
    """The analysis by this method."""
    return LongitudinalModel(outcomes=(SCORE,), borrowing=METHODS[method])


@cache
def the_refit(method: str) -> Refit:
    """Its model compiled, once per process."""
    study = study_of(*tables(np.random.default_rng(0), 0.0), 0.0)
    more = () if METHODS[method] is None else ("trial_drift",)
    narrow = ("narrow_drift_probability",) if method == "robust mixture" else ()
    return refit_of(the_model(method), study, ("drug_effect", "population_rate", *more, *narrow))


def arrays_of(method: str, study: Study) -> dict[str, np.ndarray]:
    """Data of a study for the compiled model."""
    model = the_model(method)
    design = design_of(study, model.outcomes, ())
    found = as_data(design, [SCORE.name])
    if METHODS[method] is not None:
        found |= external_data(model, external_design(model, external_persons(model, study, design)))
    return found


def analyse(spec: FitsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial with its external controls, and fit every analysis at every drift.

    Returns
    -------
    dict
        `fits`: a row for each, with method, drift (NaN without borrowing), posterior of the effect and convergence.
    """
    rng = spec.stream(number)
    persons, visits = tables(rng, EFFECTS[spec.variant])
    rows = []
    for method in METHODS:
        for drift in DRIFTS if METHODS[method] is not None else (None,):
            study = study_of(persons, visits, drift or 0.0)
            row = _fitted(method, arrays_of(method, study), spec, rng)
            rows.append({"method": method, "drift": drift, **row})
    return {"fits": rows}


def _fitted(method: str, arrays: Mapping[str, np.ndarray], spec: FitsSpec, rng: np.random.Generator) -> dict[str, Any]:
    refit = the_refit(method)
    tree = refit.sample(arrays, spec.settings(rng))
    found = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    effect, rate = found["drug_effect"].ravel(), found["population_rate"].ravel()
    row: dict[str, Any] = {
        "above_zero": float((effect > 0).mean()), "mean": float(effect.mean()), "sd": float(effect.std(ddof=1)),
        "lower": float(np.quantile(effect, 0.025)), "upper": float(np.quantile(effect, 0.975)),
    }  # fmt: skip
    if "trial_drift" in found:
        row["share_used"] = share_used(rate, rate + found["trial_drift"].ravel())
    if "narrow_drift_probability" in found:
        row["narrow"] = float(found["narrow_drift_probability"].mean())
    return {k: float(f"{v:.5g}") for k, v in row.items()} | judged(tree, refit, found)


def results(records: list[dict[str, Any]], spec: TrialsSpec) -> Results:
    """A row a fit; how often each analysis finds an effect at each drift; and a figure of it."""
    rows = [{"trial": record["trial"], **row} for record in records for row in record["fits"]]
    fits = fits_table(rows)
    truth = EFFECTS[spec.variant]
    table = characteristics(fits, truth)
    counts = {"fits": len(fits), "true_effect": truth, **convergence_counts(fits)}
    return Results(
        {"fits": fits, "characteristics": table}, counts, {"found": png_bytes(figure(table, spec.variant), dpi=90)}
    )


def characteristics(fits: pd.DataFrame, truth: float) -> pd.DataFrame:
    """Share of trials in which the drug is found to help, bias, and coverage, a row an analysis and drift."""
    found = []
    whole = fits.assign(drift=fits["drift"].fillna(-1.0), helped=fits["above_zero"] > RULE)
    whole["covered"] = (whole["lower"] <= truth) & (truth <= whole["upper"])
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


def figure(table: pd.DataFrame, variant: str) -> Figure:
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
        axes.axhline(1 - RULE, color="#444444", lw=0.8, ls=":")
    axes.set_ylim(-0.02, 1.0)
    axes.set_xticks(DRIFTS)
    axes.set_xlabel(f"External controls decline faster by, prior SDs of the rate ({PRIOR_SD:g} points a month)")
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
    without = {method: own[own["drift"] == 0].iloc[0] for method, own in by_method.items()}
    far = table[table["share"] - 1.96 * table["error"] > 1 - RULE]
    return {
        "inflated": list(dict.fromkeys(far["method"])),
        "table": table, "alone": alone, "worst": worst, "without": without, "prior_sd": PRIOR_SD, "rule": RULE,
        "sizes": (ACTIVE, CONTROL, EXTERNAL), "weeks": WEEKS, "truth": EFFECTS[variant.spec.variant],
        "drawn": {"rate": RATE, "rate_sd": RATE_SD, "level_sd": LEVEL_SD, "error_sd": ERROR_SD},
    }  # fmt: skip


def _variant(name: str, title: str, trials: int) -> Variant:
    spec = FitsSpec(variant=name, chains=1, tune=400, draws=1000, target_accept=0.8)
    return Variant(f"Borrowing under drift: {title}", f"reports/validation/borrowing/{name}", spec, trials)


STUDY = TrialsStudy(
    "validation.borrowing",
    __doc__,
    (
        _variant("no_effect", "type I error of a drug that does nothing", 200),
        _variant("effect", "power for a drug that slows the decline", 100),
    ),
    analyse,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
