"""Did the sampler explore the posterior: verdict and diagnostics, what ran, versions and seconds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayesmodels.posterior.context import FitContext
from bayesmodels.posterior.wording import fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Reading, Tables
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section


class Convergence(Chapter):
    """Verdict, diagnostics, and how it was run."""

    name = "convergence"

    def tables(self, reading: Reading) -> Tables:
        """`convergence`."""
        return {"convergence": convergence_table(reading.context)}

    def layouts(self, reading: Reading) -> Layouts:
        """A row is a diagnostic; limits are no results."""
        return {"convergence": Layout("chains", statistic="diagnostic", left_out=("threshold", "not_converged"))}

    def section(self, reading: Reading) -> Section:
        """The table, and what ran."""
        context = reading.context
        names = {
            "max_rhat": "worst rank-normalised R-hat",
            "min_ess_bulk": "smallest bulk effective sample size",
            "min_ess_tail": "smallest tail effective sample size",
            "divergences": "divergent draws",
            "min_ebfmi": "smallest E-BFMI",
        }
        table = reading.tables["convergence"].astype(object)
        shown = pd.DataFrame(
            {
                "Diagnostic": [names.get(name, name) for name in table["diagnostic"]],
                "Value": [fixed(v, 3) if isinstance(v, float) and abs(v) < 10 else v for v in table["value"]],
                "Short beyond": table["threshold"].to_list(),
                "Not converged beyond": table["not_converged"].to_list(),
            }
        )
        counted = (
            f"{context.convergence['scalars']} scalars were judged. Not converged are also chains of which more than "
            f"{context.limits.most_above(context.convergence['scalars']):g} scalars have an R-hat above "
            f"{context.limits.rhat:g}, or one is undefined."
        )
        ran = context.sampling.get("ran", context.sampling)
        facts = {"Seed": context.seed, **{f"Sampling: {k}": _short(v) for k, v in ran.items()}}
        facts |= {f"Seconds, {k}": _short(v) for k, v in context.seconds.items()}
        facts |= {f"Version of {k}": _short(v) for k, v in context.versions.items()}
        facts["Data digest"] = str(context.data.get("digest", "not recorded"))[:16]
        ran_table = pd.DataFrame({"Fact": list(facts), "Value": list(facts.values())})
        tables = {"Convergence": shown, "What ran": ran_table}
        return Section("Convergence and how it was run", (*context.cautions, counted), tables)


def convergence_table(context: FitContext) -> pd.DataFrame:
    """Verdict and diagnostics: `diagnostic`, `value`, `threshold` and `not_converged` (short, not converged beyond)."""
    found, limits = context.convergence, context.limits
    divergent = limits.most_divergent(found.get("draws") or 0)
    names = {
        "max_rhat": (limits.rhat, limits.worst_rhat),
        "min_ess_bulk": (limits.ess, limits.worst_ess),
        "min_ess_tail": (limits.ess, None),
        "divergences": (divergent, divergent),
        "min_ebfmi": (limits.ebfmi, limits.ebfmi),
    }
    rows: list[dict[str, object]] = [
        {"diagnostic": "verdict", "value": context.grade or "not recorded", "threshold": "ok"}
    ]
    rows += [
        {"diagnostic": name, "value": found.get(name), "threshold": short, "not_converged": failed}
        for name, (short, failed) in names.items()
    ]
    return pd.DataFrame(rows, columns=["diagnostic", "value", "threshold", "not_converged"])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value)
