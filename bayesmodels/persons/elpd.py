"""Expected log predictive density of each person left out, and its Pareto k, in place of log-likelihoods of many."""

from __future__ import annotations

import numpy as np
import xarray as xr

MOST_PERSONS = 2_000
"""Persons up to whom a posterior holds the log-likelihood of each at every draw: 64 MB with 4,000 draws."""

DRAWS = 1_000
"""Draws, evenly spaced, that stand for all where persons are more: 0.8 GB while they are evaluated for 100,000."""


FEWEST_DRAWS = 25
"""Draws whose largest fifth is a tail that a generalised Pareto distribution can be fitted to."""


def person_elpd(log_likelihood: xr.Dataset) -> xr.Dataset:
    """Leave each person out by Pareto-smoothed importance sampling (PSIS-LOO).

    The draws are taken for independent ones: they are thinned. Source: Vehtari, Gelman and Gabry (2017), Practical
    Bayesian model evaluation using leave-one-out cross-validation and WAIC, doi:10.1007/s11222-016-9696-4.

    Parameters
    ----------
    log_likelihood : xr.Dataset
        Dims (chain, draw, person); a person's variables, as visits and exits, are added up.

    Returns
    -------
    xr.Dataset
        `elpd` and `pareto_k` (person,), nats and no unit; attributes `draws`, and `note` where the likelihood has one.
        NaN where there are fewer draws than `FEWEST_DRAWS`.
    """
    from arviz_stats.base import array_stats

    first, *more = [values.transpose("person", "chain", "draw").to_numpy() for values in log_likelihood.values()]
    by_person = sum(more, first)
    draws = int(np.prod(by_person.shape[1:]))
    elpd = pareto_k = np.full(len(by_person), np.nan)
    if draws >= FEWEST_DRAWS:
        elpd, pareto_k, _ = array_stats.loo(by_person, chain_axis=1, draw_axis=2, r_eff=1.0)
    return xr.Dataset(
        {"elpd": ("person", np.asarray(elpd)), "pareto_k": ("person", np.asarray(pareto_k))},
        coords={"person": log_likelihood["person"]},
        attrs={**log_likelihood.attrs, "draws": draws},
    )
