"""Prediction for one new trial: its true effect on the outcome, given its estimated effect on the surrogate.

With draws theta of the distribution of true effects over trials, and the new trial's estimate alpha_hat with standard
error s of its surrogate effect,

    p(beta | alpha_hat, table) = sum of w_theta p(beta | alpha_hat, theta),   w_theta ~ p(alpha_hat | theta)

with weights that sum to one: the posterior predictive distribution of a further row of the table that reports the
surrogate alone. The new trial is one of their kind. Beside it stands the prediction at face value, of which surrogate
threshold effects are made: nothing is assumed of how large the surrogate effects of such trials are.

Source: Bujkiewicz et al., NICE DSU Technical Support Document 20 (2019), section on prediction; Burzykowski and Buyse
(2006), doi:10.1002/pst.207 (at face value).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput, expect
from bayesmodels.html_tables import html_table
from bayesmodels.posterior.convergence import convergence
from bayesmodels.posterior.wording import chance
from bayesmodels.statistics.followup import check_level
from bayesmodels.surrogacy.trial_level.draws import Mixture, TrialDraws
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence, trial_evidence
from bayesmodels.surrogacy.trial_level.threshold import SIGNS
from bayesmodels.surrogacy.trial_level.trial_to_predict import NewTrial
from bayesmodels.surrogacy.verdict import NOT_CONVERGED

OF_THEIR_KIND = "a trial of the kind in the table"
AT_FACE_VALUE = "surrogate effect at face value"

MOST_DRAWS = {"normal": 20_000, "t": 1_000}
FEW_EFFECTIVE = 100.0
"""Effective draws below which the weighted prediction is said to be rough."""


@dataclass(frozen=True)
class TrialPrediction:
    """Prediction of a new trial's true effect on the outcome, a priori and a posteriori.

    Parameters
    ----------
    trial : NewTrial
    table : DataFrame
        Columns assumes, given ("the table" or "prior alone"), unit, median, lower, upper, ratio_median, ratio_lower,
        ratio_upper (NaN where the measure is no log ratio), probability of benefit and probability_margin of one beyond
        the margin (NaN without a good direction or margin), effective_draws.
    evidence : TrialEvidence
    prob : float
        Of the equal-tailed intervals.
    dominated : str
        Why the prediction is dominated by the prior; blank where it is not.
    """

    trial: NewTrial
    table: pd.DataFrame
    evidence: TrialEvidence
    prob: float
    dominated: str

    def row(self, assumes: str = OF_THEIR_KIND, given: str = "the table") -> dict:
        """One row of the table."""
        found = self.table[(self.table["assumes"] == assumes) & (self.table["given"] == given)]
        return dict(found.iloc[0])

    @property
    def width_ratio(self) -> float:
        """Width of the interval over the width of the prior's."""
        after, before = self.row(), self.row(given="prior alone")
        return float((after["upper"] - after["lower"]) / (before["upper"] - before["lower"]))

    @property
    def outside(self) -> str:
        """That the surrogate effect lies outside the range of the table's; blank where it does not."""
        rows = self.evidence.rows
        seen = rows.loc[rows["surrogate_kind"] == 0, "surrogate_estimate"].astype(float)
        if len(seen) and seen.min() <= self.trial.surrogate_effect <= seen.max():
            return ""
        return "Its effect on the surrogate lies outside the range of the trials in the table: extrapolated."

    def sentence(self) -> str:
        """The prediction with its prior, and whether the prior dominates it."""
        evidence, after, before = self.evidence, self.row(), self.row(given="prior alone")
        trial = self.trial
        told = [
            f"{trial.name[0].upper()}{trial.name[1:]} with an effect on {evidence.labels['surrogate']} of "
            f"{evidence.number('surrogate', trial.surrogate_effect)}, SE {trial.surrogate_se:.3g}: true effect on "
            f"{evidence.labels['outcome']} {_shown(evidence, after)} ({100 * self.prob:g} % prediction "
            f"interval); before the table {_shown(evidence, before)}; the interval is now {self.width_ratio:.2f} times "
            "as wide."
        ]
        if not math.isnan(after["probability"]):
            told.append(
                f"Probability of benefit {chance(after['probability'])}; a priori {chance(before['probability'])}."
            )
        if not math.isnan(after["probability_margin"]):
            margin = f"{evidence.margin:g} {evidence.units['outcome']}".strip()
            told.append(
                f"Of a benefit above {margin}: {chance(after['probability_margin'])}; a priori "
                f"{chance(before['probability_margin'])}."
            )
        if NOT_CONVERGED.casefold() in " ".join(evidence.verdict.reasons).casefold():
            told.append("Not to be used: the chains did not converge.")
        if self.dominated:
            told.append(f"Dominated by the prior: {self.dominated}")
        if self.outside:
            told.append(self.outside)
        if after["effective_draws"] < FEW_EFFECTIVE:
            told.append(f"Rough: {after['effective_draws']:.0f} effective draws.")
        return " ".join(told)

    def _repr_html_(self) -> str:
        shown = html_table(self.table.dropna(axis=1, how="all"), "{:.3f}")
        return f"<p>{escape(self.sentence())}</p>{shown}"


def predict_trial(
    posterior: xr.DataTree,
    surrogate_effect: float,
    surrogate_se: float,
    *,
    margin: float | None = None,
    name: str = "new trial",
    prob: float = 0.95,
) -> TrialPrediction:
    """Predict a new trial's true effect on the outcome from its estimated effect on the surrogate.

    Parameters
    ----------
    posterior : xr.DataTree
        Of a `TrialLevelModel`.
    surrogate_effect : float
        Estimate, active against control, in the measure and unit of the table's surrogate: of a ratio, its natural
        logarithm.
    surrogate_se : float
        Its standard error; 0 where the effect is taken as known.
    margin : float, optional
        Minimal important difference of the outcome effect, in its good direction and unit.
    name : str
        For the sentence.
    prob : float
        Of the equal-tailed prediction intervals.

    Returns
    -------
    TrialPrediction
        With the same prediction from the prior alone beside it.

    Raises
    ------
    BadInput
        The posterior is of another model, or a number is out of range.
    """
    expect(posterior, xr.DataTree, "posterior", "give what fit or load returned")
    numbers = {"surrogate_effect": surrogate_effect, "surrogate_se": surrogate_se}
    for what, value in (numbers if margin is None else numbers | {"margin": margin}).items():
        expect(value, (int, float), what, "write a number")
        if not math.isfinite(value) or (what != "surrogate_effect" and value < 0):
            more = "" if what == "surrogate_effect" else " of 0 or more"
            raise BadInput(f"{what}: expected a finite number{more}, got {value:g}")
    expect(prob, float, "prob", "write 0.95 for 95 %")
    check_level(prob)
    if not isinstance(name, str) or not name:
        raise BadInput(f"name: expected a name for the sentence, got {name!r}; write one")
    try:
        evidence = trial_evidence(
            posterior, prob, margin or None, None, convergence(posterior).verdict != "not_converged"
        )
    except KeyError:
        evidence = None
    if evidence is None:
        raise BadInput("posterior: expected one of a trial_level model; fit a TrialLevelModel to a table of trials")
    trial = NewTrial(surrogate_effect=surrogate_effect, surrogate_se=surrogate_se, name=name)
    return prediction_of(evidence, trial, prob)


def prediction_of(evidence: TrialEvidence, trial: NewTrial, prob: float = 0.95) -> TrialPrediction:
    """The prediction from evidence that was read already.

    Parameters
    ----------
    evidence : TrialEvidence
    trial : NewTrial
    prob : float
        Of the equal-tailed prediction intervals.
    """
    effect, se, margin = trial.surrogate_effect, trial.surrogate_se, evidence.margin
    good, ratio = evidence.good["outcome"], evidence.measure("outcome").ratio
    rows = []
    for given, draws in (("the table", evidence.draws), ("prior alone", evidence.prior)):
        most = MOST_DRAWS["normal" if np.isinf(draws.degrees_of_freedom) else "t"]
        few = draws.thinned(most)
        kind, effective = weighted(draws, effect, se, most)
        for assumes, mixture, n in (
            (OF_THEIR_KIND, kind, effective),
            (AT_FACE_VALUE, few.predicted(effect, se), float(len(few.rho))),
        ):
            limits = mixture.interval(prob)
            beyond = [
                math.nan if good is None or m is None else _beyond(mixture, m, SIGNS[good]) for m in (0.0, margin)
            ]
            back = np.exp(limits) if ratio else np.full(3, math.nan)
            rows.append((assumes, given, evidence.units["outcome"], *limits, *back, *beyond, n))
    columns = [
        "assumes", "given", "unit", "median", "lower", "upper", "ratio_median", "ratio_lower", "ratio_upper",
        "probability", "probability_margin", "effective_draws",
    ]  # fmt: skip
    return TrialPrediction(trial, pd.DataFrame(rows, columns=columns), evidence, prob, _dominated(evidence))


def weighted(
    draws: TrialDraws, surrogate_effect: float, surrogate_se: float, most: int = 20_000
) -> tuple[Mixture, float]:
    """Distribution of the true outcome effect of a trial of their kind, and the effective number of draws behind it.

    Every draw is weighted. Where there are more than `most`, so many are chosen among them, in the order of the effect
    that they expect, at equal steps of the sum of their weights: draws of t effects are dear, and few must do. The
    effective number is then at most `most`.

    Parameters
    ----------
    draws : TrialDraws
    surrogate_effect, surrogate_se : float
        Estimate; it informs the draws, too, by its density under each.
    most : int
        Draws in the mixture.
    """
    log_weight = draws.log_density(surrogate_effect, surrogate_se)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    effective = float(1 / np.sum(weight**2))
    if len(weight) > most:
        order = np.argsort(draws.intercept + draws.slope * surrogate_effect)
        steps = np.searchsorted(np.cumsum(weight[order])[:-1], (np.arange(most) + 0.5) / most)
        places, times = np.unique(order[steps], return_counts=True)
        draws, weight = draws.chosen(places), times / most
    mixture = draws.of_a_trial(surrogate_effect, surrogate_se)
    per_draw = len(mixture.weight) // len(weight)
    scaled = mixture.weight * np.repeat(weight * len(weight), per_draw)
    return Mixture(mixture.mean, mixture.sd, scaled / scaled.sum()), min(effective, float(most))


def _beyond(mixture: Mixture, margin: float, sign: float) -> float:
    """P(sign * effect > margin)."""
    below = mixture.cdf(sign * margin)
    return 1 - below if sign > 0 else below


def _shown(evidence: TrialEvidence, row: dict) -> str:
    return evidence.shown("outcome", (row["median"], row["lower"], row["upper"]))


def _dominated(evidence: TrialEvidence) -> str:
    """Why predictions from this evidence are dominated by the prior; blank where they are not."""
    n, cut, width = evidence.verdict.programmes, evidence.cuts, evidence.information.rho_width_ratio
    if n < cut.min_programmes:
        return (
            f"{n} independent programme{'s' * (n != 1)} with both effects, fewer than {cut.min_programmes}; the stated "
            "spreads and the uniform correlation make most of it."
        )
    if width > cut.max_width_ratio:
        return (
            f"the interval of the correlation of effects is {width:.2f} times as wide as its prior's, more than "
            f"{cut.max_width_ratio:g}; the stated spreads and the uniform correlation make most of it."
        )
    return ""
