"""Limits of the three grades of convergence: `ok`, `short`, `not_converged`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Verdict = Literal["ok", "short", "not_converged"]
"""`short`: chains that agree, with too few effective draws for every number. `not_converged`: act on no number."""

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]


class ConvergenceLimits(BaseModel):
    """`[report.convergence]`: from where on a fit's chains are short, and from where on they did not converge.

    Parameters
    ----------
    rhat : float
        Rank-normalised R-hat: one above it makes a fit short.
    worst_rhat : float
        One above it: not converged.
    scalars_above, share_above : float
        More scalars above `rhat` than the larger of this number and this share of all scalars: not converged.
    divergences, share_divergent : float
        More divergent draws than the larger of this number and this share of all draws: not converged.
    ebfmi : float
        E-BFMI of a chain below it: not converged.
    ess : float
        Bulk or tail effective sample size below it: short.
    worst_ess : float
        Bulk effective sample size below it: not converged.

    Notes
    -----
    R-hat and effective sample size: Vehtari et al. (2021), doi:10.1214/20-BA1221. E-BFMI: Betancourt (2016),
    arXiv:1604.00695.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rhat: Ratio = 1.01
    worst_rhat: Ratio = 1.05
    scalars_above: NotNegative = 1
    share_above: Annotated[float, Field(ge=0, le=1)] = 0.02
    divergences: NotNegative = 4
    share_divergent: Annotated[float, Field(ge=0, le=1)] = 0.001
    ebfmi: NotNegative = 0.3
    ess: NotNegative = 400
    worst_ess: NotNegative = 100

    @model_validator(mode="after")
    def _short_comes_first(self) -> ConvergenceLimits:
        if self.worst_rhat < self.rhat:
            raise ValueError(f"worst_rhat: expected {self.rhat:g} (rhat) or more, got {self.worst_rhat:g}")
        if self.worst_ess > self.ess:
            raise ValueError(f"worst_ess: expected {self.ess:g} (ess) or less, got {self.worst_ess:g}")
        return self

    def most_above(self, scalars: int) -> float:
        """How many of so many scalars may have an R-hat above `rhat`.

        Parameters
        ----------
        scalars : int
            Scalars judged in all.

        Returns
        -------
        float
            The larger of `scalars_above` and the share `share_above`.
        """
        return max(self.scalars_above, self.share_above * scalars)

    def most_divergent(self, draws: int) -> float:
        """How many of so many draws may be divergent.

        Parameters
        ----------
        draws : int
            Draws in all, over every chain.

        Returns
        -------
        float
            The larger of `divergences` and the share `share_divergent`.
        """
        return max(self.divergences, self.share_divergent * draws)

    @property
    def looser(self) -> tuple[str, ...]:
        """Limits that are looser than the package's, each in words; pages print them."""
        own, usual = self.model_dump(), type(self)().model_dump()
        found = [name for name in own if (own[name] < usual[name] if name in _FLOORS else own[name] > usual[name])]
        return tuple(f"{name} = {own[name]:g} instead of {usual[name]:g}" for name in found)


_FLOORS = ("ebfmi", "ess", "worst_ess")
"""Limits that values must not fall below; smaller is looser."""
