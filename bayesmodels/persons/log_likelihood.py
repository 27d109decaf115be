"""Log-likelihood by person, or by trial, for PSIS-LOO; of censored visits a density times a normal probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri
from scipy.stats import norm, qmc

from bayesmodels.fitting.evaluate import CHUNK, evaluate, labelled
from bayesmodels.kernels.linear_mixed.op import Layout
from bayesmodels.kernels.linear_mixed.variable import SkewedTerms, person_terms
from bayesmodels.persons.collapsed import Draw, thinned
from bayesmodels.persons.elpd import DRAWS, MOST_PERSONS, person_elpd
from bayesmodels.persons.gaussian import Rows, Spread, means_at_z, regressed, rows_of, spread_of

if TYPE_CHECKING:
    import pymc as pm

    from bayesmodels.persons.collapsed import Collapsed

COSTLY_DRAWS = 1000
"""Draws at which the likelihood is integrated outside the kernels: of visits and exit, or of visits beyond a limit.

Thinned draws are nearly independent: pass `reff=1` to `arviz_stats.loo`, which would else take the efficiency of all
draws for that of the kept ones.
"""

POINTS = 256
"""Quasi-random points of a probability that two visits or more lie beyond a limit; of one visit it is exact."""

REACH, Z_POINTS = 7.0, 41
"""SDs, and points of the trapezium rule over a skewed effect's z."""


def likelihood_groups(pm_model: pm.Model, draws: xr.Dataset) -> dict[str, xr.Dataset]:
    """What a posterior holds of each person's likelihood.

    Parameters
    ----------
    pm_model : pm.Model
    draws : xr.Dataset
        Free variables, dims (chain, draw, ...).

    Returns
    -------
    dict of str to xr.Dataset
        `log_likelihood`; of more than `MOST_PERSONS` persons `person_elpd` in its place, from about `DRAWS` draws.
    """
    if len(pm_model.coords.get("person") or ()) <= MOST_PERSONS:
        return {"log_likelihood": person_log_likelihood(pm_model, draws)}
    found = person_log_likelihood(pm_model, thinned(draws, DRAWS))
    return {"person_elpd": person_elpd(found)} if found.data_vars else {}


def person_log_likelihood(pm_model: pm.Model, draws: xr.Dataset) -> xr.Dataset:
    """Evaluate the log-likelihood of every person, or of every trial of a trial-level model, at every draw.

    Parameters
    ----------
    pm_model : pm.Model
        Its observed variables whose first dim is `person` or `trial` and whose log-density has that dim alone are
        evaluated.
    draws : xr.Dataset
        Free variables, dims (chain, draw, ...).

    Returns
    -------
    xr.Dataset
        One variable per observed variable, dims (chain, draw, person or trial), persons numbered from 0; empty if there
        is none. Where there are several, as visits and exits of a `SharedRateModel`, a person's is their sum.

        Random effects are integrated out, and so are the values of censored visits. With such visits, and of a model
        with events (`persons.given_exits`), at about `COSTLY_DRAWS` draws, evenly spaced; with both,
        persons who have such visits are left out, and the attribute `note` counts them.
    """
    import pymc as pm

    from bayesmodels.persons.collapsed import collapsed

    likelihood = collapsed(pm_model)
    if likelihood is not None and (likelihood.hazards is not None or likelihood.has_latent_values):
        of_persons = [rv for rv in pm_model.observed_RVs if pm_model.named_vars_to_dims[rv.name][0] == "person"]
        (name,) = (rv.name for rv in of_persons)
        return _integrated(name, likelihood, draws, pm_model)
    graphs, units = {}, {}
    for rv in pm_model.observed_RVs:
        unit = tuple(pm_model.named_vars_to_dims.get(rv.name) or ())[:1]
        if unit not in (("person",), ("trial",)):
            continue
        density = pm.logp(rv, pm_model.rvs_to_values[rv], warn_rvs=False)
        if density.ndim == 1:
            graphs[rv.name], units[rv.name] = density, unit
    persons = len(pm_model.coords.get("person") or ())
    at_once = max(1, CHUNK * MOST_PERSONS // max(persons, MOST_PERSONS))
    values = evaluate(pm_model, graphs, draws, at_once)
    return labelled(pm_model, values, units)


def _integrated(name: str, likelihood: Collapsed, draws: xr.Dataset, pm_model: pm.Model) -> xr.Dataset:
    """Log-likelihood by person where kernels leave something to integrate: exits, or values beyond limits."""
    from bayesmodels.fitting.progress import counted
    from bayesmodels.kernels.linear_mixed.variable import likelihood_and_terms
    from bayesmodels.persons.given_exits import tilted

    chosen = thinned(draws, COSTLY_DRAWS)
    rows, beyond = [], np.zeros(0, bool)
    for point in counted(likelihood.at(chosen), chosen.sizes["chain"] * chosen.sizes["draw"], "log-likelihood, draws"):
        by_person, gaussian = likelihood_and_terms(likelihood.layout, point.y, point.inputs, point.bases)
        beyond = point.beyond.any(axis=1)
        if likelihood.hazards is not None:
            by_person += tilted(likelihood, point, gaussian).log_likelihood()
        elif beyond.any():
            limits = pm_model["visits_limit"].get_value()
            by_person[beyond] = log_likelihood_beyond(likelihood.layout, point, limits)
        rows.append(by_person)
    values = np.array(rows).reshape((chosen.sizes["chain"], chosen.sizes["draw"], -1))
    coords = {"chain": chosen["chain"], "draw": chosen["draw"], "person": np.arange(values.shape[2])}
    found = xr.Dataset(
        {name: (("chain", "draw", "person"), values)}, coords={k: np.asarray(v) for k, v in coords.items()}
    )
    if not beyond.any() or likelihood.hazards is None:
        return found
    note = f"{beyond.sum()} persons with censored visits are left out"
    return found.isel(person=~beyond).assign_attrs(note=note)


def log_likelihood_beyond(layout: Layout, draw: Draw, limits: np.ndarray) -> np.ndarray:
    """Log-likelihood (person,) of persons with censored visits, random effects and paths integrated out.

    A skewed effect's z by the trapezium rule, `REACH` SDs of z given the visits seen on either side of its mean.

    Parameters
    ----------
    layout : Layout
    draw : Draw
    limits : (person, slot)
        Modelling scale; read where the draw's visits lie beyond one.
    """
    if not layout.skewed:
        return _log_likelihood_beyond(layout, draw, limits, None)
    mean, spread = _place_given_seen(layout, draw)
    standard = np.linspace(-REACH, REACH, Z_POINTS)
    found = []
    for x in standard:
        z = mean + spread * x
        given = _log_likelihood_beyond(layout, draw, limits, means_at_z(layout, draw, z))
        found.append(given + (norm.logpdf(z) + np.log(spread))[draw.beyond.any(axis=1)])
    return logsumexp(found, axis=0) + np.log(standard[1] - standard[0])


def _place_given_seen(layout: Layout, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of every person's z given the visits that are not censored; with random walks, roughly."""
    bases = [
        np.where(draw.beyond[:, draw.slots(layout, k)].T, 0.0, basis)
        for k, basis in zip(layout.outcome_of, draw.bases, strict=True)
    ]
    terms = person_terms(layout, np.where(draw.beyond, 0.0, draw.y), draw.inputs, bases)
    assert isinstance(terms, SkewedTerms)
    mean, spread, _ = terms.place()
    return mean, spread


def _log_likelihood_beyond(layout: Layout, draw: Draw, limits: np.ndarray, effects: np.ndarray | None) -> np.ndarray:
    """`log_likelihood_beyond` given what is known of the random effects (`rows_of`), all else normal."""
    who = draw.beyond.any(axis=1)
    rows, spread, beyond = rows_of(layout, draw, effects).of(who), spread_of(layout, draw).of(who), draw.beyond[who]
    seen = draw.present(layout)[who] & ~beyond
    residual = draw.y[who] - rows.mean
    mean, covariance = regressed(spread, rows, rows, seen, residual)
    covariance += _diagonal(spread.sigma[:, rows.outcome] ** 2)
    side = np.sign(draw.y[who] - limits[who])  # the latent value lies where the visit does
    bound = side * (rows.mean + mean - limits[who])
    turned = side[:, :, None] * covariance * side[:, None, :]
    return _log_density(spread, rows, seen, residual) + log_all_below(bound, turned, beyond)


def _log_density(spread: Spread, rows: Rows, seen: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Normal log-density (person,) of the visits seen."""
    both = seen[:, :, None] & seen[:, None, :]
    noise = np.where(seen, spread.sigma[:, rows.outcome] ** 2, 1.0)
    root = np.linalg.cholesky(np.where(both, spread.between(rows, rows), 0.0) + _diagonal(noise))
    z = np.linalg.solve(root, np.where(seen, residual, 0.0)[:, :, None])[:, :, 0]
    log_det = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return -0.5 * (z**2).sum(axis=1) - log_det - 0.5 * np.log(2 * np.pi) * seen.sum(axis=1)


def log_all_below(bound: np.ndarray, covariance: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Log-probability (person,) that centred normal variables lie below their bounds, all those wanted.

    Sequential conditioning (Genz 1992, doi:10.1080/10618600.1992.10477010) at points of a Sobol sequence.

    Parameters
    ----------
    bound, wanted : (person, variable)
    covariance : (person, variable, variable)
    """
    order = np.argsort(~wanted, axis=1, kind="stable")[:, : wanted.sum(axis=1).max()]
    row = np.arange(len(order))[:, None]
    used = wanted[row, order]
    both = used[:, :, None] & used[:, None, :]
    own = covariance[row[:, :, None], order[:, :, None], order[:, None, :]]
    root = np.linalg.cholesky(np.where(both, own, 0.0) + _diagonal(np.where(used, 0.0, 1.0)))
    upper = np.where(used, bound[row, order], np.inf)
    m = order.shape[1]
    uniform = qmc.Sobol(m, rng=0).random(POINTS) if m > 1 else np.full((1, 1), 0.5)
    total = np.zeros((len(uniform), len(order)))
    drawn = np.zeros((len(uniform), len(order), m))
    for j in range(m):
        given = np.einsum("rni,ni->rn", drawn[:, :, :j], root[:, j, :j])
        standard = (upper[:, j] - given) / root[:, j, j]
        total += log_ndtr(standard)
        drawn[:, :, j] = ndtri(np.clip(uniform[:, [j]] * ndtr(standard), 1e-300, 1 - 1e-16))
    return logsumexp(total, axis=0) - np.log(len(uniform))


def _diagonal(values: np.ndarray) -> np.ndarray:
    """Diagonal matrices (person, row, row)."""
    return values[:, :, None] * np.eye(values.shape[1])
