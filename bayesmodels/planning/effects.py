"""Effects of a planned drug as a planner states them, as parameters of the generator; and priors of them.

The generator's effect on function follows its effect on NfL: a person's decline is multiplied by
(NfL ratio)^elasticity = exp(-elasticity D), D the person's drop of log NfL at the plateau. So

    nfl_ratio       = exp(-mean D),  the mean over the strata of the design
    decline_removed = 1 - sum_s w_s m_s E[exp(-elasticity D)] / sum_s w_s m_s

with w_s the share and m_s the mean decline of stratum s, D normal held at 0 from below and the elasticity lognormal
between persons, independent of one another and of the decline (as calibrated). Both are of the plateau, without lag.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from bayesmodels.errors import BadInput
from bayesmodels.parts.priors import LogNormal, Normal
from bayesmodels.simulation.truth import Truth
from bayesmodels.trials.truths import GeneratorTruth

if TYPE_CHECKING:
    import xarray as xr

_STRICT = ConfigDict(frozen=True, extra="forbid")

NODES = 61
"""Of the Gauss-Hermite rule in each of the drop and the log elasticity."""

ELASTICITIES = (-6.0, 30.0)
"""Between which the elasticity of a stated share is looked for."""

REMOVED = (-1.0, 0.95)
"""Shares of the decline that can be asked for: from a doubled decline to nearly none."""

LIMITS = {"nfl_ratio": (0.02, 0.999), "decline_removed": REMOVED}
"""Values that are drawn of each effect; what a prior has outside is cut off."""

SIZES = ("drug_effect", "group_drug_effect")
"""Published variables whose unit is that of the outcome's effect."""


class NoSuchDrug(BadInput):
    """A share of the decline that no elasticity of `ELASTICITIES` removes with a drop of NfL."""


LARGEST_LOG = 500.0
"""Of the factor of a decline, so that harm of nonsensical size does not overflow."""

WITHDRAWALS = ("withdrawal_hazard", "early_withdrawal_hazard", "progression_withdrawal_hazard")


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    x, weight = np.polynomial.hermite_e.hermegauss(NODES)
    return x, weight / weight.sum()


def _shares(faster_share: float) -> dict[str, float]:
    return {"faster": faster_share, "slower": 1 - faster_share}


def mean_drop(truth: Truth, faster_share: float) -> float:
    """Mean drop of log NfL at the drug's plateau, ln.

    Parameters
    ----------
    truth : Truth
    faster_share : float
        Share of faster-progressing persons.
    """
    return sum(share * getattr(truth.nfl_drop_mean, s) for s, share in _shares(faster_share).items())


def nfl_ratio_of(truth: Truth, faster_share: float) -> float:
    """Ratio of NfL on the drug to off it, at the plateau: geometric mean over persons.

    Parameters
    ----------
    truth : Truth
    faster_share : float
        Share of faster-progressing persons.
    """
    return float(np.exp(-mean_drop(truth, faster_share)))


def decline_removed_of(truth: Truth, faster_share: float) -> float:
    """Share of the trial's decline that the drug removes at its plateau, by quadrature.

    Parameters
    ----------
    truth : Truth
    faster_share : float
        Share of faster-progressing persons.
    """
    z, weight = _nodes()
    elasticity = truth.elasticity * np.exp(truth.elasticity_log_sd * z)
    lost = left = 0.0
    for stratum, share in _shares(faster_share).items():
        drop = np.maximum(getattr(truth.nfl_drop_mean, stratum) + truth.nfl_drop_sd * z, 0.0)
        log_kept = np.minimum(-elasticity[:, None] * drop[None, :], LARGEST_LOG)
        kept = float(weight @ np.exp(log_kept) @ weight)
        decline = share * getattr(truth.rate_mean, stratum)
        lost, left = lost + decline, left + decline * kept
    return 1 - left / lost


def changed_truth(
    base: GeneratorTruth,
    faster_share: float,
    *,
    nfl_ratio: float | None = None,
    decline_removed: float | None = None,
    function_lag: float | None = None,
    dropout: float | None = None,
) -> GeneratorTruth:
    """A truth with stated effects, lag and leaving; None leaves what `base` has.

    Parameters
    ----------
    base : GeneratorTruth
    faster_share : float
        Share of faster-progressing persons.
    nfl_ratio : float, optional
        Above 0, at most 1: drops and their SD are multiplied alike in both strata. 1 is a drug that does nothing.
    decline_removed : float, optional
        Reached by the elasticity.
    function_lag : float, optional
        Months from the response of NfL to that of the decline.
    dropout : float, optional
        Multiplies every hazard of withdrawal; deaths and ventilation stay.

    Raises
    ------
    BadInput
        A share of the decline of a drug that leaves NfL as it is: the generator has no such drug.
    """
    truth = base.generator
    own: dict[str, Any] = {}
    if nfl_ratio is not None:
        if nfl_ratio == 1.0:
            base = base.model_copy(update={"drug_effect": False})
        else:
            drop = mean_drop(truth, faster_share)
            if drop <= 0:
                raise BadInput(
                    "nfl_ratio: expected a truth whose drug lowers NfL, found none; leave drug_effect = true"
                )
            factor = -np.log(nfl_ratio) / drop
            strata = truth.nfl_drop_mean
            own["nfl_drop_mean"] = {"faster": strata.faster * factor, "slower": strata.slower * factor}
            own["nfl_drop_sd"] = truth.nfl_drop_sd * factor
    if function_lag is not None:
        own["function_lag"] = function_lag
    if dropout is not None:
        own |= {name: getattr(truth, name) * dropout for name in WITHDRAWALS}
    found = _with(base, own)
    if decline_removed is None:
        return found
    return _with(found, {"elasticity": _elasticity(found.generator, faster_share, decline_removed)})


def _with(base: GeneratorTruth, own: Mapping[str, Any]) -> GeneratorTruth:
    told = {name: float(value) if isinstance(value, np.floating) else value for name, value in own.items()}
    return GeneratorTruth(drug_effect=base.drug_effect, exits=base.exits, changes={**base.changes, **told})


def is_possible(nfl_ratio: float | None, decline_removed: float | None) -> bool:
    """Whether the generator has such a drug: one that leaves NfL as it is leaves the decline as it is.

    Parameters
    ----------
    nfl_ratio, decline_removed : float, optional
    """
    return nfl_ratio != 1.0 or decline_removed in (None, 0.0)


def _elasticity(truth: Truth, faster_share: float, share: float) -> float:
    if share == 0.0:
        return 0.0
    if mean_drop(truth, faster_share) <= 0:
        raise BadInput(
            f"decline_removed: expected 0 of a drug that leaves NfL as it is, got {share:g}; the generator's effect on "
            "function follows the drop of NfL"
        )

    def gap(elasticity: float) -> float:
        changed = truth.model_copy(update={"elasticity": elasticity})
        return decline_removed_of(changed, faster_share) - share

    low, high = ELASTICITIES
    if gap(low) > 0 or gap(high) < 0:
        raise NoSuchDrug(
            f"decline_removed: no elasticity from {low:g} to {high:g} removes {share:g} with this drop of NfL"
        )
    return float(brentq(gap, low, high, xtol=1e-10))


class PosteriorDraws(BaseModel):
    """Draws of a posterior as the prior of an effect.

    Parameters
    ----------
    type : {"posterior"}
    posterior : Path
        A .nc file, relative to the configuration.
    variable : str
        Published variable; default `drug_effect`.
    at : mapping of str to label
        One label of every dim that has several.
    log : bool
        Whether its values are logarithms of what is asked for: a change of log NfL (below 0 where NfL falls), of
        `nfl_ratio`.
    values : tuple of float
        Filled in when the file is read.
    """

    model_config = _STRICT

    type: Literal["posterior"] = "posterior"
    posterior: Path
    variable: str = "drug_effect"
    at: dict[str, str | float] = {}
    log: bool = False
    values: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{len(self.values):,} draws of {self.variable} from {self.posterior.name}"

    def read(self, folder: Path | None, name: str) -> PosteriorDraws:
        """Return the same with the draws.

        Parameters
        ----------
        folder : Path, optional
            Where a relative path begins.
        name : {"nfl_ratio", "decline_removed"}
            The effect whose prior it is.

        Raises
        ------
        BadInput
            The file has no such variable or labels, its chains did not converge, the variable is not such an effect, or
            no draw is within `LIMITS`.
        """
        from bayesmodels.posterior.archive import load
        from bayesmodels.posterior.context import read_context

        tree = load(self.posterior if folder is None else folder / self.posterior)
        context = read_context(tree)
        if context.unconverged:
            raise BadInput(
                f"[assurance] posterior: expected chains that converged, found {self.posterior} whose did not "
                f"({'; '.join(map(str, context.convergence['reasons']))}); fit it with more draws, or name another"
            )
        held = tree["posterior"].to_dataset()
        if self.variable not in held:
            raise BadInput(f"[assurance] posterior: {self.posterior} has no {self.variable}; name another variable")
        try:
            chosen = held[self.variable].sel(self.at)
        except (KeyError, ValueError) as error:
            raise BadInput(f"[assurance] at: {self.posterior}: no such label of {self.variable}: {error}") from error
        several = [f"{dim} ({size})" for dim, size in chosen.sizes.items() if dim not in ("chain", "draw") and size > 1]
        if several:
            raise BadInput(f"[assurance] at: expected one quantity, found several {', '.join(several)}; choose labels")
        self._check_kind(chosen, name)
        values = chosen.to_numpy().ravel()
        read = self.model_copy(update={"values": tuple(float(v) for v in (np.exp(values) if self.log else values))})
        if _outside(read, LIMITS[name]) == 1:
            low, high = LIMITS[name]
            remedy = "" if self.log else "; draws of a change of log NfL need log = true" * (name == "nfl_ratio")
            raise BadInput(f"[assurance] {name}: {read}: expected values from {low:g} to {high:g}, found none{remedy}")
        return read

    def _check_kind(self, chosen: xr.DataArray, name: str) -> None:
        """Refuse an effect in other units: points a month are no share, and a change a month is no ratio."""
        if self.variable not in SIZES or not {"effect_type", "effect_unit"} <= set(chosen.coords):
            return
        shape, unit = (str(chosen[word].to_numpy().ravel()[0]) for word in ("effect_type", "effect_unit"))
        found = f"found {self.variable} of {self.posterior}, whose effect is {shape}{f' ({unit})' if unit else ''}"
        if name == "decline_removed" and shape != "proportional_slowing":
            raise BadInput(
                f"[assurance] decline_removed: expected a share of the decline, {found}; name a posterior whose "
                "effect is proportional_slowing"
            )
        if name == "nfl_ratio" and (shape in ("none", "proportional_slowing") or "per month" in unit):
            raise BadInput(
                f"[assurance] nfl_ratio: expected a change of log NfL at the plateau, {found}; name a posterior whose "
                "effect is plateau or step, with log = true"
            )


AnyEffectPrior = Annotated[Normal | LogNormal | PosteriorDraws, Field(discriminator="type")]


class EffectPrior(BaseModel):
    """Prior of the drug's effects, over which the power is averaged: `[assurance]`.

    Parameters
    ----------
    nfl_ratio, decline_removed : Normal, LogNormal or PosteriorDraws, optional
        Independent; values outside `LIMITS` (a ratio from .02 to .999, a share from -1 to .95), and pairs that need an
        elasticity outside `ELASTICITIES`, are cut off: the prior is the distribution within. At least one.
    """

    model_config = _STRICT

    nfl_ratio: AnyEffectPrior | None = None
    decline_removed: AnyEffectPrior | None = None

    @model_validator(mode="after")
    def _one_at_least(self) -> EffectPrior:
        if self.nfl_ratio is None and self.decline_removed is None:
            raise ValueError("expected nfl_ratio or decline_removed, found neither")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Effects that have a prior."""
        return tuple(name for name in ("nfl_ratio", "decline_removed") if getattr(self, name) is not None)

    def read(self, folder: Path | None) -> EffectPrior:
        """Return the same with the draws of posteriors that it names.

        Parameters
        ----------
        folder : Path, optional
            Where a relative path begins.
        """
        held = {n: p.read(folder, n) for n in self.names if isinstance(p := getattr(self, n), PosteriorDraws)}
        return self.model_copy(update=held)

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Effects of one trial.

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        return {name: _drawn(getattr(self, name), LIMITS[name], rng) for name in self.names}

    def outside(self, name: str) -> float:
        """Share of an effect's prior outside its `LIMITS`: cut off.

        Parameters
        ----------
        name : {"nfl_ratio", "decline_removed"}
        """
        return _outside(getattr(self, name), LIMITS[name])


def _outside(prior: Normal | LogNormal | PosteriorDraws, limits: tuple[float, float]) -> float:
    low, high = limits
    if isinstance(prior, PosteriorDraws):
        return float(np.mean([not low <= value <= high for value in prior.values]))
    first, last = _normal_edges(prior, limits)[2]
    return float(1 - (last - first))


def _normal_edges(prior: Normal | LogNormal, limits: tuple[float, float]) -> tuple[float, float, tuple[float, float]]:
    """Mean and SD (of the logarithm where it is lognormal), and the probabilities below the limits."""
    lognormal = isinstance(prior, LogNormal)
    centre, spread = (np.log(prior.median), prior.sigma) if isinstance(prior, LogNormal) else (prior.mean, prior.sd)
    edges = np.log(limits) if lognormal else np.asarray(limits)
    first, last = ndtr((edges - centre) / spread)
    return float(centre), float(spread), (float(first), float(last))


def _drawn(prior: Normal | LogNormal | PosteriorDraws, limits: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = limits
    if isinstance(prior, PosteriorDraws):
        inside = [value for value in prior.values if low <= value <= high]
        if not inside:
            raise BadInput(f"[assurance] {prior}: expected values from {low:g} to {high:g}, found none")
        return float(rng.choice(inside))
    centre, spread, (first, last) = _normal_edges(prior, limits)
    if last - first < 1e-6:
        raise BadInput(f"[assurance] {prior}: expected a prior with values from {low:g} to {high:g}, found hardly any")
    value = centre + spread * ndtri(first + rng.random() * (last - first))
    return float(np.clip(np.exp(value) if isinstance(prior, LogNormal) else value, low, high))
