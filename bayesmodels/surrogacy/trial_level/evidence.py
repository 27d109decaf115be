"""Everything the trial rung says, read once from the posterior of a trial-level model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.wording import difference, fixed
from bayesmodels.study.measures import DEFAULT, MEASURES, EffectMeasure
from bayesmodels.surrogacy.trial_level.direction import direction
from bayesmodels.surrogacy.trial_level.draws import TrialDraws, limits
from bayesmodels.surrogacy.trial_level.paradox import paradox_probability
from bayesmodels.surrogacy.trial_level.prior_information import PriorInformation, prior_information
from bayesmodels.surrogacy.trial_level.threshold import threshold_table
from bayesmodels.surrogacy.trial_level.verdict import (
    TrialVerdict,
    TrialVerdictSettings,
    bses3_inputs,
    trial_verdict,
)

NO_DIRECTIONS = (
    "the good directions of both endpoints were not stated; thresholds, benefit and paradox need them "
    "(--surrogate-good and --outcome-good up or down)"
)


@dataclass(frozen=True)
class TrialEvidence:
    """The trial rung.

    Attributes
    ----------
    draws, prior : TrialDraws
        Of the distribution of true effects over trials.
    labels, units : dict
        Of the endpoints `surrogate` and `outcome`.
    good : dict of str to str or None
        Good directions, "up" or "down".
    measures : dict of str to str
        Effect measures, names of `bayesmodels.study.measures.MEASURES`.
    rows : DataFrame
        trial, programme, treatment_class, raw estimates, standard errors and kinds, shrunken effects with limits,
        certainty, source.
    unused : DataFrame
        row, trial, reason.
    information, verdict
        `PriorInformation`, `TrialVerdict`.
    prior_r2 : (float, float, float)
        Median and limits of R2 a priori, at the report's level.
    cuts : TrialVerdictSettings
    spec : dict
        The model's specification.
    thresholds : DataFrame
        `threshold_table`; empty without good directions.
    threshold_reason : str
        Why there are no thresholds; blank where there are.
    typical_se : float
        Median standard error of the surrogate effects: of the new trial in thresholds with an estimated effect.
    margin : float or None
        Minimal important difference of the outcome effect.
    leave_one_out, needed : DataFrame
        From the archive; empty where not made.
    bses3, paradox : dict
    """

    draws: TrialDraws
    prior: TrialDraws
    labels: dict[str, str]
    units: dict[str, str]
    good: dict[str, str | None]
    measures: dict[str, str]
    rows: pd.DataFrame
    unused: pd.DataFrame
    information: PriorInformation
    verdict: TrialVerdict
    prior_r2: tuple[float, float, float]
    cuts: TrialVerdictSettings
    spec: dict[str, Any]
    thresholds: pd.DataFrame
    threshold_reason: str
    typical_se: float
    margin: float | None
    leave_one_out: pd.DataFrame
    needed: pd.DataFrame
    bses3: dict[str, Any]
    paradox: dict[str, float]

    def measure(self, end: str) -> EffectMeasure:
        """Effect measure of an endpoint: its words, and the ratio that it is the logarithm of."""
        return MEASURES[self.measures[end]]

    def shown(self, end: str, values: tuple[float, float, float]) -> str:
        """Median and limits of an effect with its unit, and beside a log ratio the ratio.

        Parameters
        ----------
        end : {"surrogate", "outcome"}
        values : (float, float, float)
            Median, lower and upper limit.
        """
        ratio = self.measure(end).ratio
        text = f"{difference(*values)} {self.units[end]}".strip()
        return f"{text}, {ratio} {as_ratio(values)}" if ratio else text

    def number(self, end: str, value: float) -> str:
        """An effect with its unit, and beside a log ratio the ratio."""
        ratio = self.measure(end).ratio
        text = f"{fixed(value, 2)} {self.units[end]}".strip()
        return f"{text} ({ratio} {ratio_said(float(np.exp(value)))})" if ratio else text

    @property
    def measures_said(self) -> str:
        """Measure, unit and good direction of both endpoints; blank where both are mean differences."""
        if all(name == DEFAULT for name in self.measures.values()):
            return ""
        told = []
        for end, label in self.labels.items():
            unit, good, ratio = self.units[end], self.good[end], self.measure(end).ratio
            side = {"up": "above", "down": "below"}.get(good or "", "")
            favours = f"{ratio} {side} 1 favours" if ratio else f"{'+' if good == 'up' else '−'} favours"
            way = f"; {favours} the active treatment" if good else ""
            told.append(f"{label}: {self.measure(end).words}{f', {unit}' if unit else ''}{way}")
        return f"Effect measures. {'. '.join(told)}."

    @property
    def coverage(self) -> float:
        """Share of left-out estimates inside their predictive intervals, of refits that converged; NaN without any."""
        kept = self.judged_rows
        return float(kept["inside"].mean()) if len(kept) else float("nan")

    @property
    def judged_rows(self) -> pd.DataFrame:
        """Rows of `leave_one_out` whose refit converged."""
        table = self.leave_one_out
        return table[table["converged"].astype(bool)] if len(table) else table

    @property
    def within_said(self) -> str:
        """What was taken as the correlation of a trial's two estimates, where it was not reported."""
        blank = int(self.rows["within_correlation"].isna().sum())
        if not blank:
            return "Every trial reports the correlation of its two estimates."
        assumed = self.spec.get("within_correlation", 0.0)
        taken = (
            f"given a prior, uniform from {assumed[0]:g} to {assumed[1]:g}"
            if isinstance(assumed, list)
            else f"taken as {assumed:g}, an assumption that R² depends on"
        )
        return (
            f"The correlation of a trial's two estimates is not reported by {blank} of {len(self.rows)}; it is {taken}."
        )


def trial_evidence(
    tree: xr.DataTree,
    prob: float,
    margin: float | None,
    cuts: TrialVerdictSettings | None = None,
    converged: bool = True,
) -> TrialEvidence | None:
    """Read the trial rung; None where the posterior is not of a trial-level model.

    Parameters
    ----------
    tree : xr.DataTree
    prob : float
        Of the equal-tailed intervals.
    margin : float, optional
        Minimal important difference of the outcome effect, in its good direction.
    cuts : TrialVerdictSettings, optional
    converged : bool
        Whether the chains did; where not, nothing is assessable.
    """
    if "trial_correlation" not in tree["posterior"].data_vars or "observed_summary" not in tree.children:
        return None
    draws, prior = TrialDraws.of(tree), TrialDraws.of(tree, "prior")
    ends = tree["posterior"].to_dataset()
    labels, units, goods = (
        dict(zip(ends["endpoint"].values.tolist(), ends[name].values.tolist(), strict=True))
        for name in ("label", "endpoint_unit", "good")
    )
    good = {end: value or None for end, value in goods.items()}
    known = ends["measure"].values.tolist() if "measure" in ends.coords else [DEFAULT] * len(labels)
    measures = dict(zip(labels, known, strict=True))
    rows = _rows(tree, prob)
    spec, cuts = json.loads(tree.attrs.get("model", "{}")), cuts or TrialVerdictSettings()
    paired = rows[(rows["surrogate_kind"] == 0) & (rows["outcome_kind"] == 0)]
    if spec.get("classes") == "specific":  # then the target class's R2 rests on its own trials alone
        paired = paired[paired["treatment_class"] == spec["target_class"]]
    one_class = "class_mean" not in ends
    prior_rho = None if one_class else prior.rho
    information = prior_information(draws.rho, prior_rho, ess=_effective(tree))
    typical_se = float(rows["surrogate_se"].median())
    surrogate_good, outcome_good = good["surrogate"], good["outcome"]
    thresholds, paradox = pd.DataFrame(), {}
    if surrogate_good is not None and outcome_good is not None:
        margins = (0.0,) if not margin else (0.0, margin)
        ses = (0.0, typical_se) if np.isfinite(typical_se) else (0.0,)
        thresholds = threshold_table(draws, surrogate_good, outcome_good, margins=margins, ses=ses)
        paradox = paradox_probability(draws, surrogate_good, outcome_good)
    first = thresholds.iloc[0]["surrogate_effect"] if len(thresholds) else None
    effects = paired["surrogate_estimate"].to_numpy(float)
    r2 = float(np.median(draws.r2))
    return TrialEvidence(
        draws=draws,
        prior=prior,
        labels=labels,
        units=units,
        good=good,
        measures=measures,
        rows=rows,
        unused=_unused(tree),
        information=information,
        verdict=trial_verdict(
            draws,
            information,
            paired["programme"].nunique(),
            cuts,
            direction(draws, surrogate_good, outcome_good),
            converged,
        ),
        prior_r2=prior_information(draws.rho, prior_rho, prob).prior_r2,
        cuts=cuts,
        spec=spec,
        thresholds=thresholds,
        threshold_reason="" if paradox else NO_DIRECTIONS,
        typical_se=typical_se,
        margin=margin,
        leave_one_out=_frame(tree, "leave_one_out"),
        needed=_frame(tree, "trials_needed"),
        bses3=bses3_inputs(r2, None if pd.isna(first) else first, effects, surrogate_good) if len(effects) else {},
        paradox=paradox,
    )


def _effective(tree: xr.DataTree) -> float | None:
    """Bulk effective sample size of rho, at most the number of its draws; None where it is not defined."""
    from arviz_stats.base import array_stats  # late: 1 s

    rho = tree["posterior"]["trial_correlation"].transpose("chain", "draw").to_numpy()
    found = float(array_stats.ess(rho, chain_axis=0, draw_axis=1, method="bulk"))
    return min(found, float(rho.size)) if np.isfinite(found) and found > 0 else None


def _rows(tree: xr.DataTree, prob: float) -> pd.DataFrame:
    observed = tree["observed_summary"].to_dataset()
    at = [0.5, (1 - prob) / 2, (1 + prob) / 2]
    shrunken = tree["trial_terms"]["trial_effect"].quantile(at, dim=("chain", "draw")).to_numpy()
    table = pd.DataFrame({"trial": observed["trial"].values})
    for name in ("programme", "treatment_class", "certainty", "source", "within_correlation"):
        table[name] = observed[name].values
    for k, end in enumerate(observed["endpoint"].values.tolist()):
        for name in ("estimate", "se", "kind"):
            table[f"{end}_{name}"] = observed[name].sel(endpoint=end).values
        for j, name in enumerate(("median", "lower", "upper")):
            table[f"{end}_{name}"] = shrunken[j, :, k]
    return table


def _unused(tree: xr.DataTree) -> pd.DataFrame:
    rows = json.loads(tree.attrs.get("data", "{}")).get("unused", [])
    return pd.DataFrame(rows, columns=["row", "trial", "reason"])


def _frame(tree: xr.DataTree, group: str) -> pd.DataFrame:
    if group not in tree.children:
        return pd.DataFrame()
    return tree[group].to_dataset().to_dataframe().reset_index()


def as_ratio(values: tuple[float, float, float]) -> str:
    """Median and limits of the ratio, given those of its logarithm: quantiles stay quantiles."""
    median, lower, upper = (ratio_said(float(value)) for value in np.exp(values))
    return f"{median} ({lower} to {upper})"


def ratio_said(ratio: float) -> str:
    """A ratio with decimals by its own size, since its limits differ by factors: 0.66, 146, 0.0031."""
    if not 1e-4 <= ratio < np.inf:
        return "< 0.0001" if ratio < 1 else "–"
    return fixed(ratio, 2 if 0.1 <= ratio < 10 else int(np.clip(1 - np.floor(np.log10(ratio)), 0, 5)))


def as_json(evidence: TrialEvidence, prob: float) -> dict[str, Any]:
    """`surrogacy.trial` of ``summary.json``; NaN is turned into null by the caller."""
    r2, loo = evidence.draws.r2, evidence.leave_one_out
    edges, gain, verdict = ("median", "lower", "upper"), evidence.information, evidence.verdict
    return {
        "endpoints": {
            end: {
                "label": label,
                "unit": evidence.units[end],
                "measure": evidence.measures[end],
                "good": evidence.good[end],
            }
            for end, label in evidence.labels.items()
        },
        "r2": {
            **dict(zip(edges, limits(r2, prob), strict=True)),
            "mean": float(r2.mean()),
            "sd": float(r2.std(ddof=1)),
            "probability_above_half": float(np.mean(r2 > 0.5)),
        },
        "prior_r2": dict(zip(edges, evidence.prior_r2, strict=True)),
        "information_gain": {
            name: getattr(gain, name) for name in ("bits", "bits_bias", "width_ratio", "rho_width_ratio")
        },
        **{name: getattr(verdict, name) for name in ("verdict", "would_change", "programmes", "iqwig")},
        "reasons": list(verdict.reasons),
        "bses3": evidence.bses3,
        "threshold": [
            {
                "level": row["level"],
                "margin": row["margin"],
                "surrogate_effect_known": bool(row["surrogate_effect_known"]),
                "surrogate_se": row["surrogate_se"],
                "surrogate_effect": None if pd.isna(row["surrogate_effect"]) else float(row["surrogate_effect"]),
                "ranges": [[low, None if np.isinf(high) else high] for low, high in row["ranges"]],
                "reason": row["reason"],
            }
            for row in evidence.thresholds.to_dict("records")
        ],
        "threshold_reason": evidence.threshold_reason,
        "paradox": evidence.paradox,
        "leave_one_out": {
            "rows": loo.to_dict("records"),
            "coverage": evidence.coverage,
            "unconverged": len(loo) - len(evidence.judged_rows),
            "reason": "" if len(loo) else "not made: fewer than two programmes, treatment classes, or not asked for",
        },
        "trials_needed": evidence.needed.to_dict("records"),
        "unused": evidence.unused.to_dict("records"),
    }
