"""A made-up posterior whose persons' courses are known: the reports' fake posterior with persons' terms and visits."""

import numpy as np
import xarray as xr
from fake import GROUPS, MONTH, OUTCOMES, SHAPE, STRATA, fake_posterior, normal_draws, true_change

VISITS = np.array([0.0, 4.0, 12.0, 20.0, 28.0, 52.0, 100.0])
TERMS = (
    "nfl_plasma:level",
    "nfl_plasma:rate",
    "nfl_plasma:effect",
    "alsfrs_r:level",
    "alsfrs_r:rate",
    "alsfrs_r:effect",
)
SD = np.array([0.5, 0.02, 0.3, 6.0, 0.6, 0.25])
SAID = ("person_sd", "person_correlation", "residual_sd", "visit_mean", "person_basis")


def on_drug(group: str, weeks=VISITS) -> np.ndarray:
    """Months on the drug."""
    return np.maximum(weeks - {"early": 0.0, "delayed": 28.0}[group], 0.0) / MONTH


def basis_of(group: str, weeks=VISITS) -> np.ndarray:
    """(outcome, term, visit): NfL falls over 12 weeks on the drug, ALSFRS-R declines in a straight line."""
    months, drug = weeks / MONTH, on_drug(group, weeks)
    basis = np.zeros((2, len(TERMS), len(weeks)))
    basis[0, :3] = np.ones_like(months), months, np.minimum(drug * MONTH / 12.0, 1.0)
    basis[1, 3:] = np.ones_like(months), months, drug
    return basis


def correlation_of(link: float) -> np.ndarray:
    """`link`: correlation of the response of NfL with the outcome's rate and effect."""
    c = np.eye(len(TERMS))
    for i, j, value in ((2, 4, link), (2, 5, link), (4, 5, link**2), (0, 4, -0.3)):
        c[i, j] = c[j, i] = value
    return c


def persons_dataset(spread: float, link: float) -> xr.Dataset:
    n = len(TERMS)
    wobble = 0.02 * spread * normal_draws(60)
    correlation = np.broadcast_to(correlation_of(link), (*SHAPE, n, n)).copy()
    correlation[..., 2, 4] += wobble
    correlation[..., 4, 2] += wobble
    sd = np.broadcast_to(SD[:, None], (*SHAPE, n, 3)).copy()
    sd[..., 2] = np.nan
    residual = np.broadcast_to(np.array([[0.1] * 3, [1.5] * 3]), (*SHAPE, 2, 3)).copy()
    residual[..., 2] = np.nan
    mean = np.empty((*SHAPE, 2, 2, 3, len(VISITS)))
    gain = 0.2 + 0.02 * spread * normal_draws(61)[..., None]
    drop = -0.8 + 0.05 * spread * normal_draws(62)[..., None]
    for g, group in enumerate(GROUPS):
        for f, stratum in enumerate(STRATA):
            rate = {"faster": -1.2, "slower": -0.5, "all": (-1.2 * 60 - 0.5 * 48) / 108}[stratum]
            mean[:, :, 0, g, f] = np.log(75) + drop * basis_of(group)[0, 2]
            mean[:, :, 1, g, f] = 37 + rate * VISITS / MONTH + gain * on_drug(group)
    basis = np.stack([basis_of(group) for group in GROUPS], axis=2)[:, :, :, None].repeat(len(STRATA), axis=3)
    return xr.Dataset(
        {
            "person_sd": (("chain", "draw", "term", "stratum"), sd),
            "person_correlation": (("chain", "draw", "term", "term_other"), correlation),
            "residual_sd": (("chain", "draw", "outcome", "stratum"), residual),
            "visit_mean": (("chain", "draw", "outcome", "start_group", "stratum", "visit_week"), mean),
            "person_basis": (
                ("chain", "draw", "outcome", "term", "start_group", "stratum", "visit_week"),
                np.broadcast_to(basis, (*SHAPE, *basis.shape)).copy(),
            ),
        },
        coords={"term": list(TERMS), "term_other": list(TERMS), "visit_week": VISITS},
    )


def persons_posterior(link: float = -0.9, **options) -> xr.DataTree:
    """With `link` below zero, a deeper fall of NfL goes with a better course."""
    tree = fake_posterior(**options)
    groups = {}
    for name, node in tree.children.items():
        dataset = node.to_dataset()
        if name in ("posterior", "prior"):
            bare = dataset.drop_vars(["person_correlation", "term", "term_other"])
            dataset = bare.merge(persons_dataset(*((1.0, link) if name == "posterior" else (10.0, 0.0))))
        groups[name] = dataset
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})


__all__ = [
    "GROUPS",
    "MONTH",
    "OUTCOMES",
    "SD",
    "TERMS",
    "VISITS",
    "basis_of",
    "correlation_of",
    "persons_posterior",
    "true_change",
]
