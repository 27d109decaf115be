"""Cut-offs of the verdict of the trial rung, each with its source."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

FEW_TRIALS = "simulated collections of few trials (reports/validation/few_trials)"

SOURCES = {
    "min_programmes": f"{FEW_TRIALS}: with 5 trials the posterior of R2 is about as wide as its prior",
    "max_width_ratio": "package default, as of the individual rung; of rho, since the widths of R2 hardly tell (its "
    "prior is 0 to .95: an interval of .05 to .99 that excludes weak correlations is as wide)",
    "min_contrasts": f"{FEW_TRIALS}: no trial-level verdict below about 10 contrasts",
    "supported_lower": "IQWiG rapid report A10-05: lower 95 % limit of the correlation at least .85 is valid",
    "unsupported_upper": "IQWiG rapid report A10-05: upper 95 % limit at most .70 is not valid",
    "direction_probability": "one-sided 2.5 % as posterior probability; package default",
    "max_harm": "a surrogate effect in the good direction should make benefit likelier than harm; package default",
    "bses3": "BSES3, Taylor and Elston, statistics domain (PMC10401605, table 3)",
}
"""Where each cut-off comes from."""


class TrialVerdictSettings(BaseModel):
    """Cut-offs of the verdict; sources in `SOURCES`.

    Parameters
    ----------
    min_programmes : int
        Fewer programmes with both effects: not assessable.
    max_width_ratio : float
        Posterior over prior width of the 95 % interval of rho above this: not assessable.
    min_contrasts : int
        Fewer: never supported.
    supported_lower : float
        Supported needs the lower 95 % limit of |rho| at least here.
    unsupported_upper : float
        Not supported: the upper 95 % limit of |rho| at most here.
    direction_probability : float
        With good directions stated: supported needs this probability that better effects on the surrogate go with
        better effects on the outcome; not supported where it is this probable that they go with worse ones.
    max_harm : float
        With good directions stated: never supported where a new treatment of the kind in these trials that is good for
        the surrogate harms with a probability above this.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_programmes: int = Field(6, ge=2)
    max_width_ratio: float = Field(0.8, gt=0, le=1)
    min_contrasts: int = Field(10, ge=2)
    supported_lower: float = Field(0.85, gt=0, lt=1)
    unsupported_upper: float = Field(0.70, gt=0, lt=1)
    direction_probability: float = Field(0.975, gt=0.5, lt=1)
    max_harm: float = Field(0.5, gt=0, lt=1)
