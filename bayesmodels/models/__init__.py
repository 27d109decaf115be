"""Models: frozen values with one method, `build(data) -> pm.Model`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

MODELS = {
    "joint_event": "bayesmodels.models.joint_event:JointEventModel",
    "longitudinal": "bayesmodels.models.longitudinal:LongitudinalModel",
    "one_stage": "bayesmodels.models.trial_level.one_stage:OneStageModel",
    "published_means": "bayesmodels.models.published_means.model:PublishedMeansModel",
    "shared_rate": "bayesmodels.models.shared_rate.model:SharedRateModel",
    "trial_level": "bayesmodels.models.trial_level.model:TrialLevelModel",
    "visit": "bayesmodels.models.visit_means.model:VisitModel",
}


def model_class(name: Any) -> Any:
    """The class of a model: by known name, or `package.module:Class` of one's own.

    Parameters
    ----------
    name : str

    Raises
    ------
    BadConfig
        The type is not known, or has no method `build`.
    """
    from bayesmodels.errors import BadConfig
    from bayesmodels.parts.lookup import class_of

    if name is None:
        raise BadConfig(f"[model] type: expected {', '.join(MODELS)}, or package.module:Class, found none")
    if isinstance(name, str) and name in MODELS:
        return _imported(MODELS[name])
    try:
        return class_of("model", dict.fromkeys(MODELS, object), name, "build")
    except ValueError as error:
        raise BadConfig(f"[model] type: {error}") from error


def model_from_spec(spec: Mapping[str, Any]) -> Any:
    """A model from a dict with `type`: a known name, or `package.module:Class` of one's own.

    Parameters
    ----------
    spec : mapping
        As read from TOML or JSON.

    Raises
    ------
    BadConfig
        The type is not known, or has no method `build`.
    pydantic.ValidationError
        The fields do not fit the type.
    """
    name = spec.get("type")
    target = model_class(name)
    fields = {key: value for key, value in spec.items() if key != "type" or "type" in target.model_fields}
    if ":" in str(name):
        fields.pop("type", None)
    return target.model_validate(fields)


def _imported(path: str) -> type:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
