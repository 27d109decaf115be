"""Calibration of `PublishedMeansModel`: truths from its prior, and published means from the model.

The table's layout (arms, visits, standard errors) is VALOR's; the estimates are simulated.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.valor import valor_means_model
from bayesmodels.study import MeansTable
from bayesmodels.study.evidence import means_table
from validation.calibration.case import Calibrated, Case, compared_with

FITS = {"proportional_slowing": 300, "ratio_power": 200}
"""Simulated fits by model of the effect on function."""


@cache
def the_data() -> MeansTable:
    """Layout and standard errors of every simulated table."""
    return means_table("valor_2021", outcomes=("nfl_plasma", "alsfrs_r"))


@cache
def the_refit(form: str) -> Refit:
    """The model compiled, once per process; its free parameters are what is ranked."""
    model = valor_means_model(form)
    return refit_of(model, the_data(), tuple(p.name for k in model.outcomes for p in k.parameters()))


def simulate_estimates(
    model: PublishedMeansModel, data: MeansTable, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Truths from the prior and estimates from the model, with NumPy: an independent route to the same distribution.

    Returns
    -------
    truths : dict of str to array
        Free parameters, shape () or (stratum,).
    estimates : dict of str to array
        `estimate_<outcome>`, in the table's order.
    """
    arms = arms_of(data)
    drawn = {p.name: p.draws(arms.strata, 1, rng) for k in model.outcomes for p in k.parameters()}
    values = {name: value if value.ndim == 2 else value[:, None] for name, value in drawn.items()}
    estimates = {}
    for outcome in model.outcomes:
        rows = rows_of(data.frame[data.frame["outcome"] == outcome.name], arms, model.mixture)
        covariance, _ = row_covariance(outcome.spread, rows)
        mean = (outcome.mean(np, cells_of(rows, arms, arms.started), values) @ rows.weights.T)[0]
        estimates[f"estimate_{outcome.name}"] = rng.multivariate_normal(mean, covariance, method="cholesky")
    return {name: value[0] for name, value in drawn.items()}, estimates


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the prior and a table of means."""
    truth, estimates = simulate_estimates(valor_means_model(form), the_data(), rng)
    held = {one.name: one.get_value() for one in the_refit(form).pm_model.data_vars}
    return Case(held | estimates, compared_with(truth, likelihood=False))


CALIBRATED = Calibrated(draw, the_refit, FITS)
