"""`NewTrial`: the new trial whose effect on the outcome a report predicts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NewTrial(BaseModel):
    """`[report.new_trial]`: the new trial that a report predicts.

    Parameters
    ----------
    surrogate_effect : float
        Estimated effect on the surrogate in the table's measure and unit: of a ratio, its natural logarithm.
    surrogate_se : float
        Its standard error; 0 where the effect is taken as known.
    name : str
        For titles.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    surrogate_effect: float = Field(allow_inf_nan=False)
    surrogate_se: float = Field(ge=0, allow_inf_nan=False)
    name: str = Field("new trial", min_length=1)
