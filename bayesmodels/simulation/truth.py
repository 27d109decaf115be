"""The parameters that simulated trials are generated from, read from the packaged evidence table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bayesmodels.errors import BadInput
from bayesmodels.study.evidence import load

STRATA = ("faster", "slower")
"""Randomisation strata of VALOR: faster- and slower-progressing."""


class ByStratum(BaseModel):
    """One number per randomisation stratum. A plain number stands for both.

    Parameters
    ----------
    faster, slower : float
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    faster: float
    slower: float

    def of(self, strata: np.ndarray) -> np.ndarray:
        """Values [person] for stratum labels [person]."""
        return np.where(np.asarray(strata) == "faster", self.faster, self.slower)


def _both(value: Any) -> Any:
    return {"faster": value, "slower": value} if isinstance(value, int | float) else value


Stratified = Annotated[ByStratum, BeforeValidator(_both)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Correlation = Annotated[float, Field(ge=-1, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]


RateDistribution = Literal["lognormal", "gamma", "two_classes"]
"""Shape of the decline between persons: lognormal; gamma; or one person in five from a faster class."""


class Truth(BaseModel):
    """What a simulated trial is made of. Months; ALSFRS-R points; natural log of plasma NfL in pg/mL.

    Each field names the symbol of its row in ``valor_simulator_truth.csv``, which says what identifies the number and
    how far to trust it (many rows are assumed or weak). Build the calibrated values with `published_truth`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_mean: Stratified = Field(description="m_r: mean untreated ALSFRS-R decline, points per month")
    rate_sd: Stratified = Field(description="s_r: SD of the decline between persons, points per month")
    rate_shift: Stratified = Field(description="shift: decline = lognormal - shift, points per month")
    deceleration: NonNegative = Field(description="rho: decline(t) = r exp(-rho t), per month")
    score_random_walk_sd: Stratified = Field(description="bw: Brownian SD of the true score, points per sqrt(month)")
    score_residual_sd: Stratified = Field(description="sigma: visit residual SD of ALSFRS-R, points")
    score_mean: Stratified = Field(description="y0: mean ALSFRS-R at randomisation, points")
    score_sd: NonNegative = Field(description="s_y0: SD of ALSFRS-R at randomisation, points")
    score_rate_correlation: Correlation = Field(description="r_y0: corr(baseline ALSFRS-R, log rate), Gaussian copula")
    elasticity: float = Field(description="theta: log decline rate per log NfL drug ratio; median over persons")
    elasticity_log_sd: NonNegative = Field(description="s_theta: SD of log elasticity between persons")
    function_lag: NonNegative = Field(description="lag_T: from the NfL response to the change of decline, months")
    nfl_mean: Stratified = Field(description="l0: mean log plasma NfL at randomisation, ln pg/mL")
    nfl_sd: NonNegative = Field(description="s_l0: SD of log NfL at randomisation, ln")
    nfl_rate_correlation: Correlation = Field(description="r_nr: corr(baseline log NfL, log rate), Gaussian copula")
    nfl_drift_mean: Stratified = Field(description="b: mean untreated drift of log NfL at randomisation, ln per month")
    nfl_drift_sd: Stratified = Field(description="s_b: SD of the drift between persons, ln per month")
    nfl_random_walk_sd: Stratified = Field(
        description="wn: Brownian SD of log NfL at randomisation, ln per sqrt(month)"
    )
    nfl_residual_sd: Stratified = Field(description="s_n: visit residual SD of log NfL, ln")
    nfl_drop_mean: Stratified = Field(description="D: mean drop of log NfL at the drug's plateau, ln; clipped at 0")
    nfl_drop_sd: NonNegative = Field(description="s_D: SD of the drop between persons, ln")
    drop_rate_correlation: Correlation = Field(description="r_Dr: corr(drop, log rate), Gaussian copula")
    nfl_lag: NonNegative = Field(description="lag: from the drug's start to the first NfL response, months")
    nfl_time_constant: Positive = Field(description="kappa: time constant of the approach to the plateau, months")
    extension_shift: float = Field(description="ole: shift of log NfL, both groups, during the extension window, ln")
    late_nfl_decline: float = Field(description="late: further decline of log NfL after a year on drug, ln per month")
    event_hazard: NonNegative = Field(description="h0: death or ventilation, faster stratum at reference, per month")
    slower_hazard_ratio: NonNegative = Field(description="hs: multiplies the event hazard in the slower stratum")
    hazard_per_10_points: float = Field(description="by: log hazard ratio per 10 points lower current ALSFRS-R")
    hazard_per_decline: float = Field(description="br: log hazard ratio per point/month faster current decline")
    hazard_per_nfl: float = Field(description="an: log hazard ratio per ln of current drug-induced NfL change")
    ventilation_share: Share = Field(description="pv: share of first events that are permanent ventilation")
    hazard_after_ventilation: NonNegative = Field(description="hpv: death after permanent ventilation, per month")
    withdrawal_hazard: NonNegative = Field(description="w0: withdrawal unrelated to the disease, per month")
    early_withdrawal_hazard: NonNegative = Field(description="early_w: added to w0 in the controlled period, per month")
    progression_withdrawal_hazard: NonNegative = Field(
        description="wp: withdrawal for progression, at reference, per month"
    )

    withdrawal_per_10_points: float = Field(0.9, description="log hazard ratio wy named in the row wp")
    withdrawal_per_decline: float = Field(0.4, description="log hazard ratio wr named in the row wp")
    reference_score: float = Field(30.0, description="ALSFRS-R at which h0 and wp hold, named in the row h0, points")
    reference_decline: float = Field(0.5, description="decline at which h0 and wp hold, row h0, points per month")
    drift_decay_months: Positive = Field(8.0, description="the NfL drift decays as exp(-t / this), row b")
    drift_stops_on_drug: bool = Field(True, description="the NfL drift stops as the drug takes hold, row b")
    random_walk_decay_months: Positive = Field(20.0, description="NfL Brownian steps shrink as exp(-t / this), row wn")
    late_from_months: NonNegative = Field(12.0, description="months on drug after which `late` begins, row late")
    extension_shift_months: tuple[float, float] = Field((8.5, 20.0), description="window of the shift, row ole")
    early_withdrawal_months: NonNegative = Field(6.5, description="end of the added withdrawal, row early_w")

    rate_distribution: RateDistribution = Field(
        "lognormal", description="of the decline plus shift between persons; other shapes have its mean and SD"
    )
    late_start_share: NonNegative = Field(
        1.0, description="multiplies the log slowing of persons who start the drug after randomisation"
    )


FIELD_OF_SYMBOL = {
    "m_r": "rate_mean",
    "s_r": "rate_sd",
    "shift": "rate_shift",
    "rho": "deceleration",
    "bw": "score_random_walk_sd",
    "sigma": "score_residual_sd",
    "y0": "score_mean",
    "s_y0": "score_sd",
    "r_y0": "score_rate_correlation",
    "theta": "elasticity",
    "s_theta": "elasticity_log_sd",
    "lag_T": "function_lag",
    "l0": "nfl_mean",
    "s_l0": "nfl_sd",
    "r_nr": "nfl_rate_correlation",
    "b": "nfl_drift_mean",
    "s_b": "nfl_drift_sd",
    "wn": "nfl_random_walk_sd",
    "s_n": "nfl_residual_sd",
    "D": "nfl_drop_mean",
    "s_D": "nfl_drop_sd",
    "r_Dr": "drop_rate_correlation",
    "lag": "nfl_lag",
    "kappa": "nfl_time_constant",
    "ole": "extension_shift",
    "late": "late_nfl_decline",
    "h0": "event_hazard",
    "hs": "slower_hazard_ratio",
    "by": "hazard_per_10_points",
    "br": "hazard_per_decline",
    "an": "hazard_per_nfl",
    "pv": "ventilation_share",
    "hpv": "hazard_after_ventilation",
    "w0": "withdrawal_hazard",
    "early_w": "early_withdrawal_hazard",
    "wp": "progression_withdrawal_hazard",
}
"""Field of `Truth` for each symbol of the table; the other four (n_E, n_D, s, entry) belong to `TrialDesign`."""


@cache
def _published_values() -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    for row in load("valor_simulator_truth").table.itertuples():
        if row.symbol not in FIELD_OF_SYMBOL:
            continue
        field = FIELD_OF_SYMBOL[row.symbol]
        stratified = Truth.model_fields[field].annotation is ByStratum
        numbers = [float(number) for number in row.value.split(";")]
        if not stratified:
            values[field] = numbers[0]
        else:
            strata = STRATA if row.stratum == "both" else tuple(row.stratum.split(";"))
            values[field] = values.get(field, {}) | dict(
                zip(strata, numbers * (len(strata) // len(numbers)), strict=True)
            )
    return values


def published_truth(replacements: Mapping[str, Any] | None = None) -> Truth:
    """The truth calibrated to VALOR, with any field replaced.

    Parameters
    ----------
    replacements : mapping, optional
        Fields of `Truth` by name. A stratified field takes a number (both strata), ``{"faster": ..., "slower": ...}``
        or a `ByStratum`.

    Returns
    -------
    Truth

    Raises
    ------
    BadInput
        A name that is not a field of `Truth`, or a value outside its range.

    Examples
    --------
    >>> published_truth({"elasticity": 0.0}).elasticity
    0.0
    """
    try:
        return Truth.model_validate({**_published_values(), **(replacements or {})})
    except ValidationError as error:
        raise BadInput(
            f"truth of the simulator, {'.'.join(map(str, e['loc']))}: {e['msg']}; got {e['input']!r}"
            for e in error.errors()
        ) from error


def without_drug_effect(truth: Truth) -> Truth:
    """The same truth with a drug that does nothing: no NfL drop, no late decline, and the drift goes on.

    Parameters
    ----------
    truth : Truth
    """
    nothing = {"nfl_drop_mean": 0.0, "nfl_drop_sd": 0.0, "late_nfl_decline": 0.0, "drift_stops_on_drug": False}
    return Truth.model_validate({**truth.model_dump(), **nothing})


def without_exits(truth: Truth) -> Truth:
    """The same truth with nobody dying, ventilated or withdrawing.

    Parameters
    ----------
    truth : Truth
    """
    hazards = ("event_hazard", "withdrawal_hazard", "early_withdrawal_hazard", "progression_withdrawal_hazard")
    return Truth.model_validate({**truth.model_dump(), **dict.fromkeys(hazards, 0.0)})
