"""`SharedRateModel`: one rate ratio on the slope of ALSFRS-R and on the hazard of death, with shared controls.

    Y_ij = a_rt + c_i - b_i exp(theta_t + x_i' d + rho_block + eta_r) m_j + e_ij,    hazard_i = h0 exp(theta_t)

of person i in regimen r and arm t, m_j = 12/52 times the week of visit j. DRR_t = exp(theta_t), 1 for the control. The
random effects (c_i, b_i) are integrated out exactly: given theta, d, rho and eta the model is linear in them. External
persons, where the model borrows, are in `external`.

Source: the HEALEY ALS Platform Trial's master protocol, recommended analysis (shared-parameter model).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from bayesmodels.models.description import Described, Description, options_of
from bayesmodels.models.other_trials import trial_warnings
from bayesmodels.models.publish import publish
from bayesmodels.models.shared_rate.design import SOURCE_MONTHS, RateLayout, rate_arrays, rate_layout
from bayesmodels.models.shared_rate.external import Untreated, borrow
from bayesmodels.models.shared_rate.lines import Lines, declining
from bayesmodels.models.shared_rate.priors import (
    FOLLOWS,
    SharedRatePriors,
    deviations,
    external_rows,
    log_gamma,
    shared_rate_rows,
    uniform,
)
from bayesmodels.parts.borrowing import BorrowingPart
from bayesmodels.parts.formulas import said
from bayesmodels.parts.priors import PriorRow
from bayesmodels.study import Study
from bayesmodels.study.problem import Problem
from bayesmodels.vocabulary import months


class SharedRateModel(Described, BaseModel):
    """Shared-parameter model of a platform trial: decline and death share one rate ratio for each active arm.

    Start groups are arms: the study's reference group is the control, shared by the regimens, and never starts the
    drug; every other start group has its own rate ratio from week 0 on. Visits after death or permanent ventilation
    are excluded: a study refuses visits after the exit week.

    Parameters
    ----------
    type : str
        Name in a configuration.
    outcome : str
        Outcome that declines, in points.
    regimen_column : str, optional
        Column of the persons table that says the regimen; None: one regimen.
    calendar_column : str, optional
        Column with the day of randomisation, in days since any fixed day; None: no drift.
    block_days : float
        Length of a calendar block; the first one begins with the first randomisation.
    covariates : tuple of str
        Columns of the persons table on the log rate, centred at their mean.
    events : tuple of str
        Labels of the events table that are the hazard's event.
    other_exits : tuple of str
        Labels that end follow-up without an event, beside "none".
    priors : SharedRatePriors
        Those of the protocol unless changed.
    borrowing : Commensurate or RobustMixture, optional
        Untreated persons of other trials inform the untreated decline (`parts.borrowing`), their drift on its
        logarithm; the study is then that of one trial (``read_study(..., trial=...)``). Their deaths inform nothing.
        The SD of levels and covariates' slopes are common to the trials; all that is published of persons is of our
        trial's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["shared_rate"] = "shared_rate"
    outcome: str = "alsfrs_r"
    regimen_column: str | None = None
    calendar_column: str | None = None
    block_days: PositiveFloat = 90.0
    covariates: tuple[str, ...] = ()
    events: tuple[str, ...] = Field(("death", "ventilation"), min_length=1)
    other_exits: tuple[str, ...] = ("withdrawal", "withdrawal_progression")
    priors: SharedRatePriors = SharedRatePriors()
    borrowing: BorrowingPart = None

    def _description(self) -> Description:
        events = " or ".join(self.events)
        names = ("regimen_column", "calendar_column", "covariates", "other_exits")
        options = options_of(self, (*names, "block_days", "borrowing"))
        acting = [f"d {said(name)}" for name in self.covariates]
        acting += ["drift_{block}"] if self.calendar_column is not None else []
        acting += ["η_{r}"] if self.regimen_column is not None else []
        rate = " + ".join(["θ_{a}", *acting])
        about = ["c, b: of each person, normal", "a: arm, θ = 0 in the control", "m: months of 52/12 weeks"]
        about += ["r: regimen"] if self.regimen_column is not None else []
        return Description(
            f"SharedRateModel of {self.outcome} and {events}",
            [
                f"{self.outcome}: linear decline, one rate ratio for each active arm; between persons: level, rate",
                f"hazard of {events}: times the same ratio",
                *([f"options: {', '.join(options)}"] if options else []),
            ],
            [
                (self.outcome, f"y = level_{{ra}} + c_{{i}} − b_{{i}} exp({rate}) m + e where {', '.join(about)}"),
                (f"hazard of {events}", "h = h_{0} exp(θ_{a})"),
                ("rate ratio", "DRR_{a} = exp(θ_{a})"),
            ],
            [f"Options: {said(', '.join(options))}."] if options else [],
            self.prior_rows,
            "prior_table(model) says where they come from.",
        )

    def arrays(self, data: Study, layout: RateLayout | None = None) -> dict[str, np.ndarray]:
        """The data of a compiled model for another study (`rate_arrays`).

        Parameters
        ----------
        data : Study
        layout : RateLayout, optional
            Of the study the model was compiled for; default that of `data`.

        Returns
        -------
        dict of str to array
            By the name of the data container.
        """
        return rate_arrays(self, data, layout)

    def build(self, data: Study) -> pm.Model:
        """The PyMC model of a study.

        Observed are `visits` (person, slot) and `exits` (person, exit), each with a log-likelihood by person, and with
        `borrowing` `external_visits` (external_person, external_slot). The data may be replaced by those of other
        persons without compiling again (`arrays`).

        Parameters
        ----------
        data : Study
            Start groups are the platform's arms.

        Returns
        -------
        pymc.Model
            Published variables over the vocabulary's dims.

        Raises
        ------
        BadInput
            The study is not of this design: see `rate_layout`; or its external persons cannot be borrowed from.
        """
        layout, prior = rate_layout(self, data), self.priors
        with pm.Model(coords=_coords(self, data, layout)) as model:
            values = {name: pm.Data(name, array) for name, array in self.arrays(data, layout).items()}
            model.add_coords({"slot": range(values["visits_observed"].get_value().shape[1])})
            mean_rate = pm.Normal("mean_rate", *prior.rate)
            ratio = uniform("ratio_score", prior.ratio_upper, -FOLLOWS * mean_rate, "active", len(layout.active))
            log_ratio = (values["arm"] * pt.log(ratio)).sum(axis=1)
            log_rate, parts = _other_log_rates(self, layout, values)
            cells, groups = len(layout.cells), len(layout.start_groups)
            level = pm.Normal("level", *prior.level, dims=("cell",), shape=(cells,))
            level_sd = pm.Uniform("level_sd", 0.0, prior.level_sd_upper)
            own_log_ratio = (np.eye(groups)[:, :-1] * pt.log(ratio)).sum(axis=1)  # 0 for the control
            rate_sd = uniform("rate_sd_score", prior.rate_sd_upper, -own_log_ratio, "start_group", groups)
            residual_sd = pm.Uniform("error_sd", 0.0, prior.residual_sd_upper, dims=("cell",), shape=(cells,))
            log_hazard = log_gamma("log_hazard", *prior.hazard)

            lines = Lines(level, mean_rate, level_sd, (layout.arm_of_cell * rate_sd).sum(axis=1), residual_sd)
            declining(self.outcome, values, log_ratio + log_rate, lines, groups)
            _exits(values, log_hazard + log_ratio)
            untreated = pt.exp(log_rate).mean()
            _publish_rates(parts, ratio, mean_rate * untreated, log_hazard)
            _publish_spreads(layout, level, level_sd, rate_sd, residual_sd)
            share = pt.eq(values["person_stratum"][:, None], np.arange(cells)).mean(axis=0)
            mean_level = (share * level).sum()
            _publish_courses(data, mean_level, mean_rate * untreated, ratio)
            if self.borrowing is not None:
                own = Untreated(mean_rate, mean_level, level_sd, parts.get("covariate"))
                borrow(self, layout, values, own)
        return model

    def prior_rows(self, data: Study | None = None) -> list[PriorRow]:
        """Every prior (`prior_table`), whatever the study.

        Parameters
        ----------
        data : Study, optional
            For labels and units; its values are not read.

        Returns
        -------
        list of dict
            parameter, prior, unit, source, and what the parameter is of.
        """
        rows = shared_rate_rows(self.priors)
        return rows if self.borrowing is None else rows + external_rows(self.priors, self.borrowing)

    def warnings(self, data: Study) -> list[Problem]:
        """What is doubtful in a study's trials for this model: several that are taken for one, or left out.

        Parameters
        ----------
        data : Study
        """
        return trial_warnings(self, data)


def _other_log_rates(model: SharedRateModel, layout: RateLayout, values: Any) -> tuple[Any, dict[str, Any]]:
    """x'd + rho + eta of every person, and its parts: drift by block, regimens, covariates, and their SDs."""
    prior, found = model.priors, {}
    log_rate = pt.zeros(values["arm"].shape[0])
    if layout.blocks > 1:
        found["drift_sd"] = pm.Uniform("drift_sd", 0.0, prior.drift_sd_upper)
        step = deviations("drift_step", found["drift_sd"], layout.blocks - 1)
        found["drift"] = pt.concatenate([pt.zeros(1), pt.cumsum(step)])
        log_rate += (values["block_reached"] * step).sum(axis=1)
    if len(layout.regimens) > 1:
        shape, rate = prior.regimen_precision
        found["regimen_sd"] = 1.0 / pt.sqrt(pm.Gamma("regimen_precision", shape, rate))
        found["regimen"] = deviations("regimen_deviation", found["regimen_sd"], len(layout.regimens))
        log_rate += (values["regimen_member"] * found["regimen"]).sum(axis=1)
    if model.covariates:
        size = len(model.covariates)
        slope = pm.Normal("covariate_slope", 0.0, prior.covariate_sd, dims=("covariate",), shape=(size,))
        found["covariate"] = slope
        log_rate += (values["centred_covariates"] * slope).sum(axis=1)
    return log_rate, found


def _exits(values: dict[str, Any], log_hazard: Any) -> None:
    """Observed variable `exits`: months followed and 1 for an event, with an exponential time to it."""

    def logp(value, log_hazard, limit, _):
        return value[..., 1] * log_hazard - value[..., 0] * pt.exp(log_hazard)

    def random(log_hazard, limit, _, rng=None, size=None):
        shape = size if size is not None else np.broadcast_shapes(np.shape(log_hazard), np.shape(limit))
        with np.errstate(over="ignore"):
            months_to_event = rng.standard_exponential(shape) * np.exp(-np.asarray(log_hazard))
        return np.stack([np.minimum(months_to_event, limit), months_to_event < limit], axis=-1)

    pm.CustomDist(
        "exits",
        log_hazard,
        values["exit_limit"],
        pt.zeros(2),
        logp=logp,
        random=random,
        signature="(),(),(exit)->(exit)",
        class_name="ExponentialExit",
        dims=("person", "exit"),
        observed=values["exits_observed"],
    )


def _publish_rates(parts: dict[str, Any], ratio: Any, decline: Any, log_hazard: Any) -> None:
    """Ratios (active,), untreated decline (positive) and log hazard per HEALEY month, and log rates by `parts`."""
    publish("disease_rate_ratio", pt.concatenate([ratio, pt.full((1,), np.nan)]))
    publish("untreated_hazard", SOURCE_MONTHS * pt.exp(log_hazard))
    publish("population_rate", (-SOURCE_MONTHS * decline)[None, None])
    named = {
        "drift": "calendar_log_rate", "drift_sd": "calendar_log_rate_sd", "regimen": "regimen_log_rate",
        "regimen_sd": "regimen_log_rate_sd", "covariate": "covariate_log_rate",
    }  # fmt: skip
    for part, name in named.items():
        if part in parts:
            publish(name, parts[part])


def _publish_spreads(layout: RateLayout, level: Any, level_sd: Any, rate_sd: Any, residual_sd: Any) -> None:
    """Levels and residual SDs (cell,), SDs of level (scalar) and of the decline (start_group,)."""
    place = layout.place()
    absent = np.where(place < 0, np.nan, 0.0)
    publish("arm_level", level[np.maximum(place, 0)] + absent)
    publish("arm_residual_sd", residual_sd[np.maximum(place, 0)] + absent)
    publish("arm_rate_sd", SOURCE_MONTHS * rate_sd)
    publish("person_sd", level_sd[None, None])


def _publish_courses(data: Study, level: Any, decline: Any, ratio: Any) -> None:
    """Mean courses of all persons under each arm, from their common mean level: arms differ by the rate ratio only."""
    time = months(np.array(data.curve_weeks)) * SOURCE_MONTHS

    def courses(multiple):
        return -(decline * multiple)[None, :, None, None] * time

    change = courses(pt.concatenate([ratio, pt.ones(1)]))
    publish("population_level", level[None, None])
    publish("curve", level + change)
    publish("curve_change", change)
    publish("difference", courses(ratio - 1.0))


def _coords(model: SharedRateModel, data: Study, layout: RateLayout) -> dict[str, Any]:
    start = data.persons.groupby("start_group")["drug_start_week"].median()
    coords = {
        **data.coords,
        "outcome": [model.outcome],
        "outcome:unit": ["points"],
        "outcome:scale": ["identity"],
        "outcome:good_direction": ["up"],
        "outcome:effect_type": ["shared_rate"],
        "outcome:effect_unit": ["ratio"],
        "start_group": layout.start_groups,
        "start_group:drug_start_week": [float(start[group]) for group in layout.start_groups],
        "active": layout.active,
        "regimen": layout.regimens,
        "cell": [f"{regimen}, {group}" for regimen, group in layout.cells],
        "calendar_block": range(layout.blocks),
        "exit": ("months", "event"),
        "term": [f"{model.outcome}:level"],
    }
    return coords | ({"covariate": model.covariates} if model.covariates else {})
