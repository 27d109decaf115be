"""Sensitivity to the form of the model: the fit made again with one thing changed, beside the fit itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from bayesmodels.fitting.sampling import sample
from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.models.presets import replaced
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.parts.effects import DeceleratingSlope, SlopeChange
from bayesmodels.parts.trajectories import Decelerating, Linear
from bayesmodels.posterior.context import read_context
from bayesmodels.posterior.convergence import convergence
from bayesmodels.posterior.differences import differences
from bayesmodels.study import Study

if TYPE_CHECKING:
    from bayesmodels.analyses.analysis import Fit


def _outcomes_changed(model: Any, changed: Callable[[Any], Mapping[str, Any]]) -> Any:
    """The model with fields of its outcomes changed; None where no outcome changes, or there are none to change."""
    if not isinstance(model, CourseModel):
        return None
    changes = [changed(k) for k in model.outcomes]
    if not any(changes):
        return None
    outcomes = tuple(
        replaced(k, dict(change)) if change else k for k, change in zip(model.outcomes, changes, strict=True)
    )
    return replaced(model, {"outcomes": outcomes})


def _normal_rates(model: Any) -> Any:
    return _outcomes_changed(model, lambda k: {"rate_skewness": 0.0} if k.rate_skewness else {})


def _constant_rates(model: Any) -> Any:
    def straight(k: Any) -> Mapping[str, Any]:
        own, effect = k.trajectory, k.effect
        if not isinstance(own, Decelerating) or isinstance(own.rho, float):
            return {}
        if isinstance(effect, DeceleratingSlope) and effect.rho == "trajectory":
            effect = SlopeChange(lag=effect.lag, size=effect.size, person_sd=effect.person_sd)
        return {"trajectory": Linear(), "effect": effect}

    return _outcomes_changed(model, straight)


def _common_effect(model: Any) -> Any:
    pooled = not isinstance(model, CourseModel) or model.pooling == "complete"
    return None if pooled else replaced(model, {"pooling": "complete"})


def _no_borrowing(model: Any) -> Any:
    return replaced(model, {"borrowing": None}) if getattr(model, "borrowing", None) is not None else None


FORMS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "normal_rates": ("rates of persons normal, not skewed", _normal_rates),
    "constant_rates": ("no deceleration of the untreated course", _constant_rates),
    "common_effect": ("the same drug effect in every start group", _common_effect),
    "no_borrowing": ("nothing borrowed from external persons", _no_borrowing),
}
"""Changes by name: in words, and the model with the change made, or None where there is nothing to change."""


class ModelSensitivity(BaseModel):
    """Differences between start groups under other forms of the model, each fitted anew to the same data.

    Every form is sampled with NUTS like the model itself, and costs about as much as the fit did, draw for draw.

    Parameters
    ----------
    forms : tuple of str, optional
        Of `FORMS`: "normal_rates" (no skewness), "constant_rates" (outcomes whose deceleration is estimated decline at
        a constant rate), "common_effect" (complete pooling over start groups), "no_borrowing" (external persons left
        out). Default: all that change the model.
    chains, draws, tune : int
        Of each further fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    groups: ClassVar[tuple[str, ...]] = ("model_sensitivity",)
    section: ClassVar[str] = "[model_sensitivity]"

    forms: tuple[str, ...] | None = Field(None, min_length=1)
    chains: int = Field(2, ge=1)
    draws: int = Field(500, ge=4)
    tune: int = Field(500, ge=1)

    def changed(self, model: Any) -> dict[str, Any]:
        """Models by the name of their form.

        Parameters
        ----------
        model : LongitudinalModel, JointEventModel or SharedRateModel
        """
        made = {name: FORMS[name][1](model) for name in self.forms or FORMS if name in FORMS}
        return {name: other for name, other in made.items() if other is not None}

    def model_problems(self, model: Any, persons: bool) -> list[str]:
        """Why the model has no other forms, whatever the data.

        Parameters
        ----------
        model : Model
        persons : bool
            Whether the data are of persons.

        Returns
        -------
        list of str
            One line each; empty where there are other forms.
        """
        if not persons or not (isinstance(model, CourseModel) or getattr(model, "borrowing", None) is not None):
            return [
                "expected a longitudinal or joint_event model of persons' tables, or a shared_rate model that borrows, "
                "found another; delete the section"
            ]
        problems = [
            f"forms: expected some of {', '.join(FORMS)}, got {name!r}"
            for name in self.forms or ()
            if name not in FORMS
        ]
        known = self.changed(model)
        problems += [
            f"forms: expected forms that change the model, got {name!r}, which it does not have, or has already; "
            "leave it out"
            for name in self.forms or ()
            if name in FORMS and name not in known
        ]
        if not problems and not known:
            problems.append(
                "expected a model with skewed rates, deceleration, pooling or borrowing to change; delete the section"
            )
        return problems

    def problems(self, model: Any, data: Any) -> list[str]:
        """Why model and data have no other forms.

        Parameters
        ----------
        model : Model
        data : Study or other
            What the model was fitted to, or will be.

        Returns
        -------
        list of str
            One line each; empty where there are other forms.
        """
        return self.model_problems(model, isinstance(data, Study))

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Compute the group `model_sensitivity`.

        Parameters
        ----------
        fit : Fit
            Model, data and posterior, with the groups made so far.

        Returns
        -------
        dict of str to Dataset
            `difference` (form, chain, draw, outcome, contrast, stratum, week), modelling scale; by form its `words`,
            and how its chains came out: `verdict`, `max_rhat`, `min_ess`.
        """
        context, found = read_context(fit.posterior), []
        for name, model in self.changed(fit.model).items():
            words = FORMS[name][0]
            fit.on_phase(f"model sensitivity, {words}")
            settings = NutsSettings(
                chains=self.chains, draws=self.draws, tune=self.tune, seed=fit.seed(f"model_sensitivity, {name}"),
                progress=False,
            )  # fmt: skip
            tree = sample(model.build(fit.data), settings)
            state = convergence(tree)
            how = {
                "words": words, "verdict": state.verdict or "", "max_rhat": state.max_rhat,
                "min_ess": min(state.min_ess_bulk, state.min_ess_tail),
            }  # fmt: skip
            found.append(xr.Dataset({"difference": differences(tree, context), **how}).expand_dims(form=[name]))
        return {"model_sensitivity": xr.concat(found, "form")}
