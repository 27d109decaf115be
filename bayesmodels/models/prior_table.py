"""The whole prior of a model as a table, with unit and source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.html_tables import html_table
from bayesmodels.vocabulary import ALL

COLUMNS = ("outcome", "endpoint", "parameter", "stratum", "prior", "unit", "source")
NEEDED = ("parameter", "prior", "unit", "source")


class PriorTable(pd.DataFrame):
    """A table of priors, which Jupyter shows with text aligned left; what is made from it is a plain DataFrame."""

    def _repr_html_(self) -> str:
        return html_table(shown_columns(self))


def prior_frame(rows: Sequence[Mapping[str, str]]) -> PriorTable:
    """Rows of priors as a table.

    Parameters
    ----------
    rows : sequence of mapping
        With the entries `prior_table` asks for.
    """
    return PriorTable(rows, columns=[name for name in COLUMNS if any(name in row for row in rows)])


def shown_columns(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns of labels that are blank, or "all" in every row.

    Parameters
    ----------
    table : DataFrame
    """
    labels = [name for name in table.columns if name not in NEEDED]
    return table.drop(columns=[name for name in labels if table[name].isin(["", ALL]).all()])


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
    return prior_frame(rows)
