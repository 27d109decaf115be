"""Page of the study of VALOR's later weeks with and without exits, from its tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from bayesmodels.demo.valor import MAIN
from bayesmodels.trials.results import read_results, rendered
from validation.valor_exits.hazards import LOCK_MONTHS, PER_10_POINTS, PER_DECLINE
from validation.valor_exits.prediction import SCORE, WHO

COMMAND = "python -m validation.valor_exits --out reports/validation/valor_exits"
NO_LIMITS, EVERYONE, OBSERVED = WHO
STATED = "as stated"
OWN, SKEWED = "straight, normal", "flattening, skewed"
DIFFERENCE = "early - delayed"


def page(folder: Path) -> str:
    """Return the page of a folder of the study's tables: predictions, survivors and counts."""
    files = read_results(folder)
    predictions, survivors, counts = (files[name] for name in ("predictions", "survivors", "counts"))
    late, moved = (table[(table["outcome"] == SCORE) & (table["week"] == 148)] for table in (predictions, survivors))
    main = late[(late["function"] == MAIN) & (late["associations"] == STATED)]
    moved = moved[(moved["function"] == MAIN) & (moved["associations"] == STATED)]
    function = (counts["function"] == MAIN) & (counts["persons"] == SKEWED)
    return rendered(
        Path(__file__).with_name("page.md.j2"),
        {
            "command": COMMAND,
            "late": main,
            "halved": late[(late["function"] == MAIN) & (late["associations"] == "halved")],
            "linear": late[(late["function"] == "no effect, linear") & (late["associations"] == STATED)],
            "published": late.drop_duplicates("start_group").set_index("start_group")["published"],
            "who": WHO,
            "groups": ("early", "delayed", DIFFERENCE),
            "span": _span,
            "values": _values,
            "gap": main[main["who"] == NO_LIMITS].assign(median=lambda t: t["published"] - t["median"]),
            "limits": _limits(main),
            "moved": moved.assign(who=OBSERVED),
            "widths": main.assign(median=(main["upper"] - main["lower"]) / 2),
            "priors": {"a": PER_10_POINTS, "b": PER_DECLINE, "lock": LOCK_MONTHS},
            "comparison": lambda week, outcome, by: _comparison(predictions, week, outcome, by),
            "by_strength": lambda week: _by_strength(predictions, week),
            "counts": counts[function & counts["published"].notna()],
        },
    )


def _values(table: pd.DataFrame, group: str, who: str, column: str = "median") -> pd.Series:
    return table.loc[(table["start_group"] == group) & (table["who"] == who), column]


def _span(values: Iterable[float], decimals: int | None = None) -> str:
    """Smallest to largest, once if they read the same; by default with a second decimal if all are below 1."""
    low, high = min(values), max(values)
    shown = (2 if max(abs(low), abs(high)) < 1 else 1) if decimals is None else decimals
    first, last = f"{low:.{shown}f}", f"{high:.{shown}f}"
    return first if first == last else f"{first} to {last}"


def _limits(main: pd.DataFrame) -> pd.DataFrame:
    """What keeping scores within 0 to 48 does to the medians."""
    wide = main.pivot(index=["start_group", "persons"], columns="who", values="median")
    return (wide[EVERYONE] - wide[NO_LIMITS]).rename("median").reset_index().assign(who=EVERYONE)


def _comparison(predictions: pd.DataFrame, week: float, outcome: str, by: list[str]) -> list[dict[str, object]]:
    """Predictions of everyone and of those observed, one row per scenario and start group."""
    chosen = predictions[
        (predictions["week"] == week) & (predictions["outcome"] == outcome) & (predictions["associations"] == STATED)
    ]
    if by == ["function"]:
        chosen = chosen[chosen["persons"] == OWN]
    cells = chosen.groupby([*by, "start_group"], sort=False)
    return [{"labels": key, "own": cell.set_index("who")} for key, cell in cells]


def _by_strength(predictions: pd.DataFrame, week: float) -> dict[str, object]:
    """Predictions of those observed, one row per model of persons and strength, and the published figures."""
    chosen = predictions[
        (predictions["week"] == week) & (predictions["outcome"] == SCORE) & (predictions["function"] == MAIN)
    ]
    cells = chosen[chosen["who"] == OBSERVED].groupby(["persons", "associations"], sort=False)
    published = chosen.drop_duplicates("start_group").set_index("start_group")["published"]
    return {"published": published, "rows": [(key, cell.set_index("start_group")) for key, cell in cells]}
