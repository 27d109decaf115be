"""How far the evidence on a surrogate goes: three rungs, and the cut-offs that they are judged by."""

from __future__ import annotations

import pandas as pd

from bayesmodels.reporting.chapter import Chapter, LeadLines, Reading
from bayesmodels.reporting.page import Section
from bayesmodels.surrogacy.settings import SOURCES
from bayesmodels.surrogacy.verdict import Verdict

QUESTIONS = {
    "response": "Does the drug move the surrogate?",
    "individual": "Within an arm, do persons whose surrogate changes differently fare differently?",
    "trial": "Across randomised trials, does the effect on the surrogate predict the effect on the outcome?",
}


class Verdicts(Chapter):
    """The rungs of response, individual and trial."""

    name = "surrogate"

    def section(self, reading: Reading) -> Section | tuple[()]:
        """Every rung with what would change it."""
        evidence = reading.surrogate
        if evidence is None:
            return ()
        d = evidence.declared
        rungs = {
            f"{verdict.rung.capitalize()} level: {verdict.answer}": _in_words(verdict) for verdict in evidence.verdicts
        }
        cut = evidence.settings.cut_offs.model_dump()
        limits = pd.DataFrame(
            [{"Cut-off": name.replace("_", " "), "Value": f"{cut[name]:g}", "Source": SOURCES[name]} for name in cut]
        )
        return Section(
            "Surrogate: how far the evidence goes",
            [
                f"{d.surrogate.label} as a surrogate for {d.outcome.label}: {d.where}. Three rungs, each its own "
                "question; a yes on one is no yes on the next. An association between persons is not a relation "
                "between effects.",
                *([d.not_randomised[0].upper() + d.not_randomised[1:] + "."] if d.not_randomised else []),
            ],
            {**rungs, "Cut-offs, set before the data were seen or by default": limits},
            note="Not assessable: the design cannot say, whatever the numbers. It is an answer, and no failure.",
        )

    def lead(self, reading: Reading) -> LeadLines:
        """The verdicts."""
        return LeadLines(verdicts=() if reading.surrogate is None else reading.surrogate.verdicts)


def _in_words(verdict: Verdict) -> pd.DataFrame:
    """Question, answer, reasons and what would change the answer, a row each."""
    rows = [
        ("Question", QUESTIONS[verdict.rung]),
        ("Answer", verdict.sentence),
        *((("Why" if k == 0 else ""), reason) for k, reason in enumerate(verdict.unsaid)),
        *((("What would change it" if k == 0 else ""), text) for k, text in enumerate(verdict.what_would_change_it)),
    ]
    return pd.DataFrame(rows, columns=["Part", "In words"])
