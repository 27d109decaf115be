"""The reference analysis of Daniels and Hughes: effects on the outcome given effects on the surrogate, exact on a grid.

    (alpha_hat_i, beta_hat_i) ~ Normal((alpha_i, beta_i), V_i),  V_i known
    beta_i | alpha_i ~ Normal(l0 + l1 alpha_i, tau^2),           alpha_i fixed, each with a flat prior

The alpha_i integrate out in closed form, V_i = [[vS, c], [c, vT]]:

    beta_hat_i - l1 alpha_hat_i ~ Normal(l0, vT_i - 2 l1 c_i + l1^2 vS_i + tau^2)

so three parameters remain; l0 is normal given (l1, tau), and (l1, tau) lie on a grid. With fixed alpha_i there is no
population of effects on the surrogate, hence no R2_trial. A good surrogate has l1 away from 0, l0 and tau near 0.

Source: Daniels and Hughes (1997), Meta-analysis for the evaluation of potential surrogate markers, Statistics in
Medicine 16:1965-1982. The uniform-shrinkage prior of tau is that of Daniels (1999), A prior for the variance in
hierarchical models, Canadian Journal of Statistics 27:567-578.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import norm

from bayesmodels.errors import BadInput

Array = npt.NDArray[np.float64]
TauPrior = Literal["half_normal", "uniform", "uniform_shrinkage"]

TAU_PRIORS: tuple[TauPrior, ...] = ("half_normal", "uniform", "uniform_shrinkage")
SEARCH, POINTS = 121, 241
"""Points an axis of the grid over slope and tau, while it is narrowed to where the posterior is, and in the end."""

SPAN = 5.0
"""Upper end of the uniform prior of tau, in outcome scales."""


@dataclass(frozen=True)
class DanielsHughes:
    """Posterior of the line between effects, on a grid.

    Attributes
    ----------
    table : DataFrame
        Rows intercept, slope, conditional_sd; columns quantity, mean, sd, median, lower, upper.
    tau_prior : str
    prior : str
        Every prior in words.
    prob : float
        Level of the equal-tailed intervals.
    slope, tau, weight : array (point,)
        Grid points, flattened, and their posterior probabilities.
    intercept_mean, intercept_sd : array (point,)
        The intercept's normal posterior at each point.
    """

    table: pd.DataFrame
    tau_prior: TauPrior
    prior: str
    prob: float
    slope: Array
    tau: Array
    weight: Array
    intercept_mean: Array
    intercept_sd: Array
    trials: int

    def probability_above(self, surrogate_effect: float, margin: float = 0.0) -> float:
        """Probability that the true effect on the outcome exceeds `margin`, in a new trial with a known effect on the
        surrogate."""
        mean = self.intercept_mean + self.slope * surrogate_effect
        spread = np.sqrt(self.intercept_sd**2 + self.tau**2)
        return float(self.weight @ norm.sf((margin - mean) / spread))

    def sentence(self) -> str:
        """Slope, intercept and conditional SD with intervals, and the prior of tau."""
        told = [
            f"{r.quantity.replace('_', ' ')} {r.median:.3g} ({100 * self.prob:g} % {r.lower:.3g} to {r.upper:.3g})"
            for r in self.table.itertuples()
        ]
        return f"Daniels-Hughes, {self.trials} trials: {'; '.join(told)}. Prior: {self.prior}."

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>" + self.table.to_html(index=False, float_format="{:.4g}".format)


def daniels_hughes(
    table: pd.DataFrame,
    *,
    surrogate_scale: float,
    outcome_scale: float,
    tau_prior: TauPrior = "half_normal",
    prob: float = 0.95,
) -> DanielsHughes:
    """Posterior of intercept, slope and conditional SD between effects.

    Parameters
    ----------
    table : DataFrame
        One row per trial: surrogate_effect, surrogate_se, outcome_effect, outcome_se, optional within_correlation
        (0 where absent).
    surrogate_scale, outcome_scale : float
        Typical spread of true effects between trials, s_S and s_T. Priors: intercept ~ Normal(0, (5 s_T)^2), slope ~
        Normal(0, (5 s_T / s_S)^2).
    tau_prior : {"half_normal", "uniform", "uniform_shrinkage"}
        HalfNormal(s_T); Uniform(0, 5 s_T); or density of tau^2 proportional to v / (v + tau^2)^2 with v the harmonic
        mean of the outcome's squared standard errors.
    prob : float

    Raises
    ------
    BadInput
        Fewer than three trials, or a value that is not finite, a standard error or scale not above 0, or a
        correlation not between -1 and 1.
    """
    s, t, v_s, v_t, c = _columns(table, surrogate_scale, outcome_scale)
    limit = 5 * outcome_scale / surrogate_scale
    shrinkage = float(1 / np.mean(1 / v_t))

    def log_tau_prior(tau: Array) -> Array:
        if tau_prior == "half_normal":
            return -0.5 * (tau / outcome_scale) ** 2
        if tau_prior == "uniform":
            return np.where(tau <= SPAN * outcome_scale, 0.0, -np.inf)
        return np.log(np.maximum(tau, 1e-300)) - 2 * np.log(shrinkage + tau**2)

    def on_grid(slopes: Array, taus: Array) -> tuple[Array, Array, Array, Array, Array]:
        l1, tau = (axis.ravel() for axis in np.meshgrid(slopes, taus, indexing="ij"))
        variance = v_t - 2 * l1[:, None] * c + l1[:, None] ** 2 * v_s + tau[:, None] ** 2
        off = t - l1[:, None] * s
        precision = (1 / variance).sum(axis=1) + 1 / (5 * outcome_scale) ** 2
        mean = (off / variance).sum(axis=1) / precision
        log_density = -0.5 * (
            np.log(variance).sum(axis=1) + (off**2 / variance).sum(axis=1) + np.log(precision) - precision * mean**2
        )
        log_density += log_tau_prior(tau) - 0.5 * (l1 / limit) ** 2
        return l1, tau, np.exp(log_density - logsumexp(log_density)), mean, 1 / np.sqrt(precision)

    slopes, taus = _midpoints(-4 * limit, 4 * limit, SEARCH), _midpoints(0.0, SPAN * outcome_scale, SEARCH)
    for size in (SEARCH, SEARCH, SEARCH, POINTS):  # narrow the grid to where the posterior is
        _, _, weight, _, _ = on_grid(slopes, taus)
        joint = weight.reshape(len(slopes), len(taus))
        slopes = _midpoints(*_around(slopes, joint.sum(axis=1)), size)
        lower, upper = _around(taus, joint.sum(axis=0))
        taus = _midpoints(max(lower, 0.0), min(upper, SPAN * outcome_scale), size)
    l1, tau, weight, mean, sd = on_grid(slopes, taus)
    joint = weight.reshape(len(slopes), len(taus))
    rows = [
        {"quantity": "intercept", **_of_mixture(weight, mean, sd, prob)},
        {"quantity": "slope", **_of_grid(slopes, joint.sum(axis=1), prob)},
        {"quantity": "conditional_sd", **_of_grid(taus, joint.sum(axis=0), prob)},
    ]
    told = {
        "half_normal": f"HalfNormal({outcome_scale:g})",
        "uniform": f"Uniform(0, {SPAN * outcome_scale:g})",
        "uniform_shrinkage": f"uniform shrinkage about a standard error of {np.sqrt(shrinkage):.3g}",
    }[tau_prior]
    prior = (
        f"intercept Normal(0, {5 * outcome_scale:g}), slope Normal(0, {limit:g}), conditional SD {told}, each trial's "
        "effect on the surrogate flat"
    )
    return DanielsHughes(pd.DataFrame(rows), tau_prior, prior, prob, l1, tau, weight, mean, sd, len(s))


def tau_sensitivity(table: pd.DataFrame, *, surrogate_scale: float, outcome_scale: float) -> pd.DataFrame:
    """The table of `daniels_hughes` under every prior of tau, and under HalfNormal with half and twice the scale.

    Returns
    -------
    DataFrame
        tau_prior, outcome_scale, then the columns of `DanielsHughes.table`. The scale also sets the priors of
        intercept and slope.
    """
    cases: list[tuple[TauPrior, float]] = [(prior, outcome_scale) for prior in TAU_PRIORS]
    cases += [("half_normal", factor * outcome_scale) for factor in (0.5, 2.0)]
    frames = []
    for prior, scale in cases:
        found = daniels_hughes(table, surrogate_scale=surrogate_scale, outcome_scale=scale, tau_prior=prior)
        frames.append(found.table.assign(tau_prior=prior, outcome_scale=scale))
    joined = pd.concat(frames, ignore_index=True)
    return joined[["tau_prior", "outcome_scale", *frames[0].columns[:-2]]]


def _columns(table: pd.DataFrame, surrogate_scale: float, outcome_scale: float) -> tuple[Array, ...]:
    names = ("surrogate_effect", "surrogate_se", "outcome_effect", "outcome_se")
    missing = [name for name in names if name not in table]
    if missing:
        raise BadInput([f"expected a column {name!r}; add it" for name in missing])
    s, s_se, t, t_se = (table[name].to_numpy(float) for name in names)
    r = table["within_correlation"].to_numpy(float) if "within_correlation" in table else np.zeros(len(table))
    problems = []
    if len(table) < 3:
        problems.append(f"expected three trials or more, got {len(table)}; a line through fewer has no spread about it")
    if not (surrogate_scale > 0 and outcome_scale > 0):
        problems.append("expected a surrogate_scale and an outcome_scale above 0")
    for name, good in (
        ("surrogate_effect", np.isfinite(s)), ("outcome_effect", np.isfinite(t)),
        ("surrogate_se", np.isfinite(s_se) & (s_se > 0)), ("outcome_se", np.isfinite(t_se) & (t_se > 0)),
        ("within_correlation", np.abs(r) < 1),
    ):  # fmt: skip
        problems += [f"row {row + 2}: {name} cannot be used; correct it or leave the trial out" for row in
                     np.flatnonzero(~good)]  # fmt: skip
    if problems:
        raise BadInput(problems)
    return s, t, s_se**2, t_se**2, r * s_se * t_se


def _midpoints(lower: float, upper: float, size: int) -> Array:
    """Midpoints of equal cells between two ends."""
    return lower + (upper - lower) * (np.arange(size) + 0.5) / size


def _around(axis: Array, marginal: Array) -> tuple[float, float]:
    """Ends of the part of an axis outside which the density is below 1e-9 of its highest, one cell further."""
    inside = np.flatnonzero(marginal > 1e-9 * marginal.max())
    cell = 1.5 * (axis[1] - axis[0])
    return float(axis[inside[0]] - cell), float(axis[inside[-1]] + cell)


def _of_grid(axis: Array, marginal: Array, prob: float) -> dict[str, float]:
    """Statistics of a grid variable; quantiles by its piecewise-linear distribution function."""
    mean = float(marginal @ axis)
    cell = axis[1] - axis[0]
    ends = np.concatenate([axis - cell / 2, axis[-1:] + cell / 2])
    rising = np.concatenate([[0.0], np.cumsum(marginal)])
    lower, median, upper = np.interp([(1 - prob) / 2, 0.5, (1 + prob) / 2], rising, ends)
    sd = float(np.sqrt(marginal @ (axis - mean) ** 2))
    return {"mean": mean, "sd": sd, "median": float(median), "lower": float(lower), "upper": float(upper)}


def _of_mixture(weight: Array, mean: Array, sd: Array, prob: float) -> dict[str, float]:
    """Statistics of a mixture of normals."""
    centre = float(weight @ mean)
    spread = float(np.sqrt(weight @ (sd**2 + (mean - centre) ** 2)))
    here = weight > 1e-12
    w, m, s = weight[here] / weight[here].sum(), mean[here], sd[here]

    def quantile(level: float) -> float:
        ends = centre - 20 * spread, centre + 20 * spread
        return float(brentq(lambda x: float(w @ norm.cdf((x - m) / s)) - level, *ends))

    lower, median, upper = (quantile(level) for level in ((1 - prob) / 2, 0.5, (1 + prob) / 2))
    return {"mean": centre, "sd": spread, "median": median, "lower": lower, "upper": upper}
