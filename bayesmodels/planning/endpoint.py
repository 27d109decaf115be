"""Endpoints of a planned trial: an outcome, a week, and the posterior probability that counts as success."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.trials.kept import Rule

GOOD = {"nfl_plasma": "down", "alsfrs_r": "up"}
"""Good direction of each outcome of the generator (NfL as its natural logarithm)."""

SIMULATED = tuple(GOOD)

OF_FAST = ("prior_mean", "prior_sd", "known_sd", "adjust", "missing")
"""Fields of an endpoint that a fitted model does not read."""

EXTRAPOLATED_FROM = 1 / 3
"""Of the way to the week: from earlier visits a change is not extrapolated, whose error would grow threefold."""


class PlannedEndpoint(BaseModel):
    """An endpoint: difference between the first start group and the reference at a week: `[[endpoints]]`.

    Success where P(the difference favours the first group) > `probability`.

    Parameters
    ----------
    name : str
    outcome : {"nfl_plasma", "alsfrs_r"}
        NfL as its natural logarithm.
    weeks_after : int
        Read so many weeks after the end of the period; in a delayed-start trial the difference is between early and
        delayed start once the week is after the delayed start, as randomised before.
    beyond : float
        The difference favours beyond this value, in its own sign and unit (ln of NfL, points); 0 is any difference.
    probability : float
        .975 is an equal-tailed 95 % interval that excludes `beyond`.
    prior_mean, prior_sd : float
        Of the fast analysis: normal prior of the difference; `prior_sd` inf, the default, is a flat one.
    known_sd : float, optional
        Of the fast analysis: SD of the residuals, where it is taken as known; default: estimated.
    adjust : tuple of str
        Of the fast analysis: outcomes whose value at randomisation is a covariate, besides the endpoint's own.
    missing : {"left_out", "extrapolated"}
        Of the fast analysis: persons not seen at the week are left out; or their change is extrapolated, at its mean
        pace since randomisation, from the last visit before it, where that is `EXTRAPOLATED_FROM` of the way or later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    name: Annotated[str, Field(min_length=1)]
    outcome: Literal["nfl_plasma", "alsfrs_r"]
    weeks_after: Annotated[int, Field(ge=0)] = 0
    beyond: float = 0.0
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.975
    prior_mean: float = 0.0
    prior_sd: Annotated[float, Field(gt=0)] = float("inf")
    known_sd: Annotated[float, Field(gt=0)] | None = None
    adjust: tuple[Literal["nfl_plasma", "alsfrs_r"], ...] = ()
    missing: Literal["left_out", "extrapolated"] = "left_out"

    @property
    def sign(self) -> int:
        """1 where a positive difference is good, -1 where a negative one is."""
        return 1 if GOOD[self.outcome] == "up" else -1

    @property
    def unit(self) -> str:
        """Of the difference."""
        return "ln" if self.outcome == "nfl_plasma" else "points"

    @property
    def who_left(self) -> str:
        """What the fast analysis does about persons not seen at the week, in words."""
        if self.missing == "left_out":
            return "persons not seen at the week left out"
        return "persons not seen at the week extrapolated at their pace"

    @property
    def prior(self) -> str:
        """The prior in words."""
        flat = self.prior_sd == float("inf")
        return "flat prior" if flat else f"prior Normal({self.prior_mean:g}, {self.prior_sd:g}) {self.unit}"

    def quantity(self, contrast: str, week: float) -> str:
        """Name of the difference, as of `kept.cells`.

        Parameters
        ----------
        contrast : str
        week : float
        """
        return f"difference[{self.outcome}, {contrast}, all, week {week:.10g}]"

    def rule(self, week: float) -> Rule:
        """The same as a rule of `bayesmodels.trials`, for a model that publishes `difference`.

        Parameters
        ----------
        week : float
        """
        at: dict[str, str | float] = {"outcome": self.outcome, "stratum": "all", "week": week}
        towards: Literal["up", "down"] = "up" if self.sign > 0 else "down"
        return Rule(
            name=self.name, variable="difference", at=at, favours=towards, beyond=self.beyond,
            probability=self.probability,
        )  # fmt: skip
