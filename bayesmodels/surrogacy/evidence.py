"""What a fit says about its declared surrogate: verdicts, tables, and their content for `summary.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.surrogacy.arms import Arms
from bayesmodels.surrogacy.declared import Declared
from bayesmodels.surrogacy.identifiability import response_verdict
from bayesmodels.surrogacy.prentice import Prentice
from bayesmodels.surrogacy.single_trial import SingleTrial
from bayesmodels.surrogacy.verdict import Verdict


@dataclass(frozen=True)
class SurrogateEvidence:
    """A fit's evidence about its surrogate.

    Parameters
    ----------
    declared : Declared
    verdicts : tuple of Verdict
        Response, individual, trial.
    tables : dict of str to DataFrame
        ``surrogacy_*``; numbers unrounded. Only what the fit can show.
    prentice : Prentice or None
        None without a comparison.
    trial : SingleTrial or None
        Criteria on true values; None without a comparison or without persons.
    arms : Arms or None
        True values at the declared weeks.
    earliest : dict of str to float
        First visit from which the drug's effect on the surrogate is shown ("effect"), and from which R2 is at least
        fair ("individual"); NaN where there is none.
    follows : bool
        The model makes the whole effect on the outcome follow the surrogate.
    """

    declared: Declared
    verdicts: tuple[Verdict, ...]
    tables: dict[str, pd.DataFrame]
    prentice: Prentice | None = None
    trial: SingleTrial | None = None
    arms: Arms | None = None
    earliest: dict[str, float] | None = None
    follows: bool = False

    def sentence(self) -> str:
        """The verdicts, one line a rung."""
        return "\n".join(verdict.line for verdict in self.verdicts)


def as_json(evidence: SurrogateEvidence | None, settings: ReportSettings) -> dict[str, Any] | None:
    """Content of `surrogacy` in ``summary.json``; `trial` is that of a trial-level analysis, none here."""
    if evidence is None:
        return None
    d = evidence.declared
    response, individual, _ = evidence.verdicts
    return {
        "surrogate": d.surrogate.name,
        "outcome": d.outcome.name,
        "contrast": None if d.contrast is None else d.contrast.label,
        "surrogate_week": d.surrogate_week,
        "outcome_week": d.outcome_week,
        "regions": asdict(d.regions),
        "cut_offs": settings.surrogacy.cut_offs.model_dump(),
        "earliest_week": evidence.earliest,
        "response": {"verdict": response.as_json()},
        "individual": {"verdict": individual.as_json()},
        "tables": {
            name.removeprefix("surrogacy_"): table.to_dict("records") for name, table in evidence.tables.items()
        },
        "trial": None,
    }


def no_comparison(d: Declared, settings: ReportSettings) -> Verdict:
    """The response rung where there is nothing to compare."""
    return response_verdict(
        None, 0.0, settings.surrogacy.cut_offs, level=settings.interval, surrogate=d.surrogate.label,
        unit=d.surrogate.unit, where=d.where, design="there is one start group, or no visit in the randomised period",
    )  # fmt: skip
