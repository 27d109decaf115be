"""Analyses of every fit of a model with events: survival, incidence and accuracy of landmark predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from bayesmodels.persons.prediction.dynamic_prediction import dynamic_prediction
from bayesmodels.persons.prepared import has_events
from bayesmodels.persons.summaries.events import event_curves, event_data

if TYPE_CHECKING:
    import xarray as xr

    from bayesmodels.analyses.analysis import Fit


class _OfEvents(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def problems(self, model: Any, data: Any) -> list[str]:
        """Whether the model has events."""
        return [] if has_events(model) else ["expected a model with events, such as JointEventModel"]


class EventGroups(_OfEvents):
    """Survival, incidence and means that know of death, and the exits observed: groups of a model with events."""

    groups: ClassVar[tuple[str, ...]] = ("event_curves", "event_data")

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Compute the curves; nothing for another model."""
        if not has_events(fit.model):
            return {}
        fit.on_phase("survival, incidence and prediction")
        draws = fit.posterior["posterior"].to_dataset()
        return {
            "event_curves": event_curves(fit.model, draws, fit.data, seed=fit.seed("event_curves")),
            "event_data": event_data(fit.model, fit.data),
        }


class DynamicPrediction(_OfEvents):
    """In-sample accuracy and calibration of predictions of events at landmarks, without examples of persons.

    Left out where visits are censored, since part of them cannot be predicted from.
    """

    groups: ClassVar[tuple[str, ...]] = ("dynamic_prediction",)

    def compute(self, fit: Fit) -> dict[str, xr.Dataset]:
        """Predict the events of the persons fitted; nothing for another model."""
        if not has_events(fit.model) or any(
            str(name).endswith("_excess") for name in fit.posterior["posterior"].data_vars
        ):
            return {}
        seed = fit.seed("dynamic_prediction")
        return {"dynamic_prediction": dynamic_prediction(fit.model, fit.posterior, fit.data, seed=seed)}
