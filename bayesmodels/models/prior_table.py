"""The whole prior of any of the package's models as a table, with unit and source."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.published_means.model import PublishedMeansModel, priors
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.shared_rate.priors import shared_rate_prior_table
from bayesmodels.models.trial_level.model import TrialLevelModel, trial_level_prior_table
from bayesmodels.models.trial_level.one_stage import OneStageModel, one_stage_prior_table
from bayesmodels.models.visits.event_priors import event_prior_table
from bayesmodels.models.visits.priors import longitudinal_prior_table


def prior_table(model: Any, data: Any) -> pd.DataFrame:
    """Every prior of a model: one row a parameter and, where priors differ, a stratum or an endpoint.

    Parameters
    ----------
    model : LongitudinalModel, JointEventModel, PublishedMeansModel, SharedRateModel, TrialLevelModel or OneStageModel
    data : Study, MeansTable, TrialTable or ClusterTable
        What the model takes: for its strata, start groups, units and labels; priors never depend on its values.

    Returns
    -------
    DataFrame
        Columns parameter, prior, unit, source, and before them what the parameter is of: outcome and stratum of models
        of patients, stratum of published means, endpoint of a one-stage model. Units on the modelling scale.

    Raises
    ------
    BadInput
        A model of another type; see also the model's `build`.
    """
    match model:
        case JointEventModel():
            return pd.concat([longitudinal_prior_table(model, data), event_prior_table(model, data)], ignore_index=True)
        case LongitudinalModel():
            return longitudinal_prior_table(model, data)
        case PublishedMeansModel():
            return priors(model)
        case SharedRateModel():
            return shared_rate_prior_table(model)
        case TrialLevelModel():
            return trial_level_prior_table(model, data)
        case OneStageModel():
            return one_stage_prior_table(model, data)
    raise BadInput(
        f"model: expected one of the package's models, got {type(model).__name__}; draw from the prior of another with "
        "pm.sample_prior_predictive on what its build returns"
    )
