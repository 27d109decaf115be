"""The whole prior of a model as a table, with unit and source."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayesmodels.errors import BadInput

COLUMNS = ("outcome", "endpoint", "parameter", "stratum", "prior", "unit", "source")
NEEDED = ("parameter", "prior", "unit", "source")


def prior_table(model: Any, data: Any = None) -> pd.DataFrame:
    """Every prior of a model: one row per parameter and, where priors differ, per stratum or endpoint.

    Parameters
    ----------
    model : Model
        With a method ``prior_rows(data)``, as all of the package have: a list of dicts with `parameter`, `prior`,
        `unit`, `source` and, where they apply, `outcome`, `endpoint` or `stratum`.
    data : Study, MeansTable, TrialTable or ClusterTable
        What the model takes: for its strata, start groups, units and labels; priors never depend on its values. Models
        of published means and of shared rates need none.

    Returns
    -------
    DataFrame
        Columns parameter, prior, unit, source, and what the parameter is of: outcome and stratum of models of patients,
        stratum of published means, endpoint of a one-stage model. Units on the modelling scale.

    Raises
    ------
    BadInput
        A model without the method, or whose rows lack an entry; see also the model's `build`.
    """
    if not callable(getattr(model, "prior_rows", None)):
        raise BadInput(
            f"model: expected a model with a method prior_rows(data), got {type(model).__name__}; draw from the prior "
            "of one without it with pm.sample_prior_predictive on what its build returns"
        )
    rows = model.prior_rows(data)
    lacking = [
        f"prior_rows: row {k} has no {name!r}" for k, row in enumerate(rows) for name in NEEDED if name not in row
    ]
    if lacking:
        raise BadInput(lacking)
    return pd.DataFrame(rows, columns=[name for name in COLUMNS if any(name in row for row in rows)])
