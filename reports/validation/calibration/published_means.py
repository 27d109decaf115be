"""Calibration of `PublishedMeansModel`: truths from its prior, and published means from the model.

The table's layout (arms, visits, standard errors) is VALOR's; the estimates are simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from bayesmodels.fitting.refit import Refit, refit_of
from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.valor import valor_means_model
from bayesmodels.study import MeansTable
from bayesmodels.study.evidence import means_table
from validation.calibration.case import Calibrated, Case, compared_with

Drawn = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]

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
    return refit_of(model, the_data(), tuple(p.name for p in courses_of(model.outcomes)))


def estimates_of(model: PublishedMeansModel, data: MeansTable) -> Callable[[np.random.Generator], Drawn]:
    """Simulator of truths from the prior and estimates from the model; normal errors are drawn by NumPy.

    Returns
    -------
    callable
        A random generator to truths, free parameters of shape () or (stratum,); and estimates, `estimate_<outcome>` in
        the table's order.
    """
    arms, courses, rows_by = arms_of(data), courses_of(model.outcomes), {}
    for outcome in model.outcomes:
        rows = rows_of(data.frame[data.frame["outcome"] == outcome.name], arms, model.mixture)
        mean = courses.function(outcome.name, cells_of(rows, arms, arms.started))
        rows_by[outcome.name] = mean, rows.weights, row_covariance(outcome.spread, rows)[0]

    def simulate(rng: np.random.Generator) -> Drawn:
        drawn = {p.name: p.draws(arms.strata, 1, rng) for p in courses}
        values = {name: value if value.ndim == 2 else value[:, None] for name, value in drawn.items()}
        estimates = {
            f"estimate_{name}": rng.multivariate_normal((mean(values) @ weights.T)[0], covariance, method="cholesky")
            for name, (mean, weights, covariance) in rows_by.items()
        }
        return {name: value[0] for name, value in drawn.items()}, estimates

    return simulate


@cache
def the_simulator(form: str) -> Callable[[np.random.Generator], Drawn]:
    """The simulator of a form of the model, made once per process."""
    return estimates_of(valor_means_model(form), the_data())


def draw(form: str, rng: np.random.Generator) -> Case:
    """A truth from the prior and a table of means."""
    truth, estimates = the_simulator(form)(rng)
    held = {one.name: one.get_value() for one in the_refit(form).pm_model.data_vars}
    return Case(held | estimates, compared_with(truth, likelihood=False))


CALIBRATED = Calibrated(draw, the_refit, FITS)
