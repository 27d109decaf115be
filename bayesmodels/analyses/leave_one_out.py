"""`LeaveOneOut`: refits of a trial-level model without each programme, and to simulated collections of trials.

The model is compiled once; every refit gets new data, also of another number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import BaseModel, ConfigDict

from bayesmodels.errors import BadInput
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.refit import Refit, judged, refit_of, stacked
from bayesmodels.models.trial_level.model import TrialLevelModel
from bayesmodels.study import TrialTable
from bayesmodels.surrogacy.trial_level.direction import direction
from bayesmodels.surrogacy.trial_level.draws import TrialDraws
from bayesmodels.surrogacy.trial_level.prior_information import prior_information
from bayesmodels.surrogacy.trial_level.verdict import trial_verdict

if TYPE_CHECKING:
    from bayesmodels.analyses.analysis import Fit

Tell = Callable[[str], None]

REFIT = NutsSettings(draws=1000, tune=600, chains=2, target_accept=0.95, seed=1)
"""Settings of a refit; its seed is the first of a sequence."""

NEEDED = (6, 10, 20, 40)
"""Numbers of programmes for which the width of R2 is simulated."""

SWEEP = (-0.5, 0.0, 0.25, 0.5, 0.75)
"""Correlations of a row's estimates that are tried where it is not known."""

ASSUMED_R2 = 0.8
"""True R2 of the collections simulated for that: a good surrogate."""


def refit_draws(refit: Refit, model: TrialLevelModel, table: TrialTable, seed: int) -> tuple[TrialDraws, dict]:
    """Draws of a refit, and its convergence with `within`: draws of the rows' correlation where that has a prior."""
    settings = REFIT.model_validate(REFIT.model_dump() | {"seed": seed})
    tree = refit.sample(model.arrays(table), settings)
    published = refit.published(stacked(tree["posterior"].to_dataset(), refit.names))
    nu = model.degrees_of_freedom if model.random_effects == "t" else np.inf
    mean, sd = published["trial_mean"], published["trial_sd"]
    draws = TrialDraws(mean[:, 0], mean[:, 1], sd[:, 0], sd[:, 1], published["trial_correlation"], nu)
    within = tree["posterior"]["shared_correlation"].to_numpy().ravel() if "shared_correlation" in refit.names else None
    return draws, judged(tree, refit, published) | {"within": within}


def leave_one_out(
    model: TrialLevelModel,
    table: TrialTable,
    seed: int,
    *,
    refit: Refit | None = None,
    prob: float = 0.95,
    tell: Tell = lambda _: None,
) -> xr.Dataset:
    """Predict every programme's outcome effects from the other programmes and its own surrogate effects.

    Parameters
    ----------
    model : TrialLevelModel
    table : TrialTable
    seed : int
    refit : Refit, optional
        Of the same model, compiled for the same classes.
    prob : float
        Of the equal-tailed intervals.
    tell : callable
        Told one line per programme.

    Returns
    -------
    xr.Dataset
        By trial (rows with both effects estimated): predicted, lower, upper of the true effect; observed_lower,
        observed_upper of the estimate that such a trial would find; inside (whether its estimate lies between these);
        pit; width_ratio (prediction over direct interval of the true effect); r2, r2_lower, r2_upper, slope and
        rho without the programme; divergences, max_rhat and converged (the package's verdict) of the refit. Empty with
        a single programme.
    """
    paired = table.rows[(table.rows["surrogate_kind"] == "estimate") & (table.rows["outcome_kind"] == "estimate")]
    programmes = [name for name in table.programmes if name in set(paired["programme"])]
    if len(table.programmes) < 2:
        return xr.Dataset()
    refit = refit or refit_of(model, table)
    known = pd.Series(model.arrays(table)["correlation"], index=table.rows.index)
    rows = []
    for number, programme in enumerate(programmes):
        tell(f"without {programme}: {number + 1} of {len(programmes)}")
        draws, found = refit_draws(refit, model, _without(table, programme), seed + number)
        r2 = np.quantile(draws.r2, [0.5, (1 - prob) / 2, (1 + prob) / 2])
        shared = {
            "programme": programme,
            "r2": r2[0],
            "r2_lower": r2[1],
            "r2_upper": r2[2],
            "rho": float(np.median(draws.rho)),
            "slope": float(np.median(draws.slope)),
            "divergences": found["divergences"],
            "max_rhat": found["max_rhat"],
            "converged": found["converged"],
        }
        for index, row in paired[paired["programme"] == programme].iterrows():
            own = float(row["within_correlation"])
            within = found["within"] if found["within"] is not None and np.isnan(own) else float(known[index])
            rows.append({"trial": row["trial"]} | prediction(draws, row, within, prob) | shared)
    return xr.Dataset.from_dataframe(pd.DataFrame(rows).set_index("trial"))


def prediction(draws: TrialDraws, row: pd.Series, within: float | np.ndarray, prob: float) -> dict[str, float | bool]:
    """Outcome effect of one row predicted from its surrogate effect, beside what it found."""
    effect, se = float(row["surrogate_effect"]), float(row["surrogate_se"])
    found, error = float(row["outcome_effect"]), float(row["outcome_se"])
    true = draws.of_a_trial(effect, se)
    estimate = draws.of_a_trial(effect, se, outcome_se=error, within=within)
    median, lower, upper = true.interval(prob)
    _, low, high = estimate.interval(prob)
    direct = 2 * -float(_normal_quantile((1 - prob) / 2)) * error
    return {
        "predicted": median,
        "lower": lower,
        "upper": upper,
        "observed_lower": low,
        "observed_upper": high,
        "inside": low <= found <= high,
        "pit": estimate.cdf(found),
        "width_ratio": (upper - lower) / direct,
    }


def trials_needed(
    model: TrialLevelModel,
    table: TrialTable,
    seed: int,
    *,
    refit: Refit | None = None,
    sizes: Sequence[int] = NEEDED,
    replicates: int = 10,
    r2: float = ASSUMED_R2,
    tell: Tell = lambda _: None,
) -> pd.DataFrame:
    """What collections of more trials would say, by simulation.

    True effects with the model's scales as SDs, means at the table's mean effects and a declared R2; standard errors
    are drawn from the table's, and errors of a row correlate as the model takes them to (at the middle of an interval).
    A row per size: programmes, r2, replicates, and over replicates the mean width of the 95 % interval of R2, the mean
    of its lower limit, the shares called supported and not assessable by the default cut-offs, and of refits that did
    not converge.
    """
    refit = refit or refit_of(model, table)
    rng = np.random.default_rng(seed)
    both = table.rows[(table.rows["surrogate_kind"] == "estimate") & (table.rows["outcome_kind"] == "estimate")]
    ses = both[["surrogate_se", "outcome_se"]].to_numpy(float)
    effects = both[["surrogate_effect", "outcome_effect"]].to_numpy(float)
    sign = -1.0 if {table.surrogate.good, table.outcome.good} == {"up", "down"} else 1.0
    within = float(np.mean(model.within_correlation))
    root = np.linalg.cholesky([[1, within], [within, 1]])
    scale, rho = np.array([model.surrogate_scale, model.outcome_scale]), sign * np.sqrt(r2)
    between = np.array([[1, rho], [rho, 1]]) * np.outer(scale, scale)
    rows = []
    for size in sizes:
        tell(f"simulated collections of {size} programmes")
        found = []
        for _ in range(replicates):
            se = ses[rng.integers(len(ses), size=size)]
            true = rng.multivariate_normal(effects.mean(axis=0), between, size=size)
            estimates = true + se * (rng.standard_normal(true.shape) @ root.T)
            simulated = TrialTable.from_frame(
                pd.DataFrame(
                    {
                        "trial": [f"simulated {k + 1}" for k in range(size)],
                        "surrogate_effect": estimates[:, 0],
                        "surrogate_se": se[:, 0],
                        "outcome_effect": estimates[:, 1],
                        "outcome_se": se[:, 1],
                    }
                ),
                surrogate=table.surrogate,
                outcome=table.outcome,
            )
            draws, judgement = refit_draws(refit, model, simulated, int(rng.integers(2**31)))
            lower, upper = np.quantile(draws.r2, [0.025, 0.975])
            way = direction(draws, table.surrogate.good, table.outcome.good)
            verdict = trial_verdict(draws, prior_information(draws.rho), size, direction=way).verdict
            named = (verdict == "supported", verdict == "not assessable", not judgement["converged"])
            found.append((upper - lower, lower, *named))
        rows.append((size, r2, replicates, *np.array(found, float).mean(axis=0)))
    names = ["programmes", "r2", "replicates", "mean_width", "mean_lower", "supported", "not_assessable", "unconverged"]
    return pd.DataFrame(rows, columns=names)


def within_sweep(
    model: TrialLevelModel, table: TrialTable, seed: int, values: Sequence[float] = SWEEP, refit: Refit | None = None
) -> pd.DataFrame:
    """R2, correlation and slope over assumed correlations of a row's estimates, where these are blank.

    One row per value: within_correlation, r2, r2_lower, r2_upper (95 %), rho, slope, converged.
    """
    if isinstance(model.within_correlation, tuple):
        raise BadInput("within_correlation: expected a model with a known one, to be varied; this one has a prior")
    refit = refit or refit_of(model, table)
    rows = []
    for number, value in enumerate(values):
        varied = TrialLevelModel.model_validate(model.model_dump() | {"within_correlation": value})
        draws, found = refit_draws(refit, varied, table, seed + number)
        middle = (np.median(draws.rho), np.median(draws.slope), found["converged"])
        rows.append((value, *np.quantile(draws.r2, [0.5, 0.025, 0.975]), *middle))
    return pd.DataFrame(rows, columns=["within_correlation", "r2", "r2_lower", "r2_upper", "rho", "slope", "converged"])


class LeaveOneOut(BaseModel):
    """Every programme's outcome effects predicted from the other programmes, by refits without it (`leave_one_out`).

    Intervals are of 95 %. Not with treatment classes: what the other programmes predict for a programme of another
    class is another question, so both groups are left out then.

    Parameters
    ----------
    trials_needed : bool
        Whether to simulate what more programmes would say, too (a minute).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: ClassVar[tuple[str, ...]] = ("leave_one_out", "trials_needed")
    section: ClassVar[str] = "[leave_one_out]"

    trials_needed: bool = False

    def model_problems(self, model: Any, persons: bool) -> list[str]:
        """Whether the model is of the trial level.

        Parameters
        ----------
        model : Model
        persons : bool
            Whether the data are of persons.

        Returns
        -------
        list of str
            One line each; empty where it can be answered.
        """
        if isinstance(model, TrialLevelModel):
            return []
        return ['expected a model of type "trial_level" with it; else delete the section']

    def problems(self, model: Any, data: Any) -> list[str]:
        """Whether the model is of the trial level; it takes no other data than a table of trials.

        Parameters
        ----------
        model : Model
        data : Study or other
            What the model was fitted to, or will be.

        Returns
        -------
        list of str
            One line each; empty where it can be answered.
        """
        return self.model_problems(model, False)

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Refit without each programme; the model is not compiled again.

        Parameters
        ----------
        fit : Fit
            Model, data and posterior, with the groups made so far.
        """
        if fit.model.classes != "one":
            return {}
        fit.on_phase("refits without each programme")
        refit = refit_of(fit.model, fit.data, pm_model=fit.pm_model, compiled=fit.compiled)
        seed = int(fit.posterior.attrs["seed"])
        found = {"leave_one_out": leave_one_out(fit.model, fit.data, seed, refit=refit)}
        if self.trials_needed and len(fit.data.paired_programmes):
            frame = trials_needed(fit.model, fit.data, seed, refit=refit)
            found["trials_needed"] = xr.Dataset.from_dataframe(frame.set_index("programmes"))
        return found


def _without(table: TrialTable, programme: str) -> TrialTable:
    """The table without a programme, its classes numbered as before."""
    left = table.without(programme)
    left.__dict__["classes"] = table.classes
    return left


def _normal_quantile(probability: float) -> float:
    from scipy import stats

    return float(stats.norm.ppf(probability))
