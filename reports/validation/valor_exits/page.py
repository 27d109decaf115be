"""README of the study of VALOR's later weeks with and without exits, from its tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bayesmodels.demo.valor import MAIN
from validation.valor_exits.hazards import LOCK_MONTHS, PER_10_POINTS, PER_DECLINE
from validation.valor_exits.prediction import SCORE, WHO

NO_LIMITS, EVERYONE, OBSERVED = WHO
STATED = "as stated"
OWN, SKEWED = "straight, normal", "flattening, skewed"
DIFFERENCE = "early - delayed"


def readme(tables: Mapping[str, pd.DataFrame], command: str) -> str:
    """The study's README in Markdown.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        predictions, survivors and counts, as `validation.valor_exits.study.run_study` makes them.
    command : str
        What makes the folder again.
    """
    predictions, survivors, counts = (tables[name] for name in ("predictions", "survivors", "counts"))
    lines = [
        "# VALOR's weeks 52 and 148 with and without exits",
        "",
        f"Made by `{command}`. The means are real, published, group-level numbers, and so are the counts of exits; who "
        "leaves is simulated, from associations that are assumed. Fitted to weeks 2 to 28. Intervals are 95 %, "
        "equal-tailed. ALSFRS-R: up is good, + in a difference favours early start. NfL: down is good. After the "
        "switch both groups are on the drug: early against delayed start, never drug against placebo.",
        "",
        "## What it shows",
        "",
        *(f"- {line}" for line in findings(predictions, survivors)),
        "",
        "## What is assumed",
        "",
        *(f"- {line}" for line in assumptions()),
        "",
        "## Week 148, ALSFRS-R, associations as stated",
        "",
        _comparison(predictions, 148.0, SCORE, ["function", "persons"]),
        "",
        "## Week 148, ALSFRS-R, by strength of the associations (slowing, decelerating)",
        "",
        _by_strength(predictions, 148.0),
        "",
        "## Week 52, ALSFRS-R, associations as stated",
        "",
        "The published means of week 52 are adjusted for baseline NfL, and the sources at hand do not say how missing "
        "visits were treated: another estimand than either column. If they were imputed under missing at random they "
        "compare with everyone. Their standard errors, which the prediction "
        "in `reports/validation/valor` uses, are not used here.",
        "",
        _comparison(predictions, 52.0, SCORE, ["function", "persons"]),
        "",
        "## Week 52, ALSFRS-R, by strength of the associations (slowing, decelerating)",
        "",
        _by_strength(predictions, 52.0),
        "",
        "## Week 148, NfL (ln ratio to baseline), associations as stated",
        "",
        "In the model of published means NfL and ALSFRS-R are independent within an arm, so leaving acts on NfL only "
        "through which stratum leaves more. That is the model's limit, not a finding: persons with high NfL decline "
        "faster, and their leaving would lower the mean of those observed.",
        "",
        _comparison(predictions[predictions["persons"] == OWN], 148.0, "nfl_plasma", ["function"]),
        "",
        "## Counts: published, and expected from the drawn levels (slowing, decelerating; flattening, skewed)",
        "",
        _counts(counts),
        "",
        "## Checked elsewhere",
        "",
        "`tests/studies/test_valor_exits.py`: without exits the simulated arms have the mean and SD of the "
        "conditional normal prediction; with associations of zero those observed are like everyone; the levels agree "
        "with importance sampling; the quadrature agrees with a weekly brute-force simulation. Everything is in the "
        "CSV files beside this one: `predictions.csv`, `survivors.csv` (still observed minus everyone, paired, with "
        "Monte-Carlo error), `counts.csv`.",
        "",
    ]
    return "\n".join(lines)


def findings(predictions: pd.DataFrame, survivors: pd.DataFrame) -> list[str]:
    """What the tables say, in sentences."""
    late = _late(predictions)
    main = late[(late["function"] == MAIN) & (late["associations"] == STATED)]

    def span(frame: pd.DataFrame, group: str, who: str, column: str = "median") -> str:
        values = frame[(frame["start_group"] == group) & (frame["who"] == who)][column]
        return _span(values.min(), values.max())

    def published(group: str) -> float:
        return float(late[late["start_group"] == group]["published"].iloc[0])

    shift = _late(survivors)
    stated = shift[(shift["function"] == MAIN) & (shift["associations"] == STATED)]
    halved = late[(late["function"] == MAIN) & (late["associations"] == "halved")]
    linear = late[(late["function"] == "no effect, linear") & (late["associations"] == STATED)]

    def moved(group: str) -> str:
        values = stated[stated["start_group"] == group]["mean"]
        return _span(values.min(), values.max())

    def gap(group: str) -> str:
        own = main[(main["start_group"] == group) & (main["who"] == NO_LIMITS)]["median"]
        return _span((published(group) - own).min(), (published(group) - own).max())

    def limits(group: str) -> str:
        own = main[main["start_group"] == group].pivot(index="persons", columns="who", values="median")
        shift = own[EVERYONE] - own[NO_LIMITS]
        return _span(shift.min(), shift.max())

    return [
        f"Week 148, decelerating course with slowing. If everyone were alive and followed the model expects "
        f"{span(main, 'early', NO_LIMITS)} points in the early and {span(main, 'delayed', NO_LIMITS)} in the delayed "
        f"group (ranges are over the three models of persons); with scores kept within 0 to 48 "
        f"{span(main, 'early', EVERYONE)} and {span(main, 'delayed', EVERYONE)}; among those still observed "
        f"{span(main, 'early', OBSERVED)} and {span(main, 'delayed', OBSERVED)}. Published: "
        f"{published('early'):.1f} and {published('delayed'):.1f}.",
        f"The gap between model and publication is {gap('early')} points (early) and {gap('delayed')} (delayed). The "
        f"limits of the scale alone are worth {limits('early')} and {limits('delayed')}; being still observed moves "
        f"the expected mean by a further {moved('early')} and {moved('delayed')}. So survivors can be all of the gap "
        "that the limits leave, and more.",
        "The published means lie between everyone and those still observed. Their position among predictive draws of "
        f"those still observed is {span(main, 'early', OBSERVED, 'position')} (early) and "
        f"{span(main, 'delayed', OBSERVED, 'position')} (delayed) as stated, "
        f"{span(halved, 'early', OBSERVED, 'position')} and {span(halved, 'delayed', OBSERVED, 'position')} with the "
        "associations halved. Either leaving depended on the disease less than stated, or the published means are not "
        "plainly of those still observed (imputed, say), or persons spread less late on than the plug-ins of the model "
        "have it; these data do not say which.",
        f"Even with no effect of the drug and no deceleration, which without exits misses week 148 by far (expected "
        f"{span(linear, 'early', NO_LIMITS)} and {span(linear, 'delayed', NO_LIMITS)}), those still observed would "
        f"show {span(linear, 'early', OBSERVED)} and {span(linear, 'delayed', OBSERVED)}. So week 148 is no evidence "
        "for deceleration or for slowing, once exits depend on the disease.",
        f"The difference early minus delayed goes the other way: {span(main, DIFFERENCE, EVERYONE)} expected for "
        f"everyone, {span(main, DIFFERENCE, OBSERVED)} among those still observed (published "
        f"{published('early') - published('delayed'):+.1f}). More of the delayed group left, so its survivors are the "
        "more selected: under these assumptions leaving hides an advantage of early start and does not make one. With "
        "34 and 12 persons "
        "left the interval of the difference spans "
        f"{_width(main, DIFFERENCE, OBSERVED)} points either way; the published figure lies at position "
        f"{span(main, DIFFERENCE, OBSERVED, 'position')}.",
        "What this cannot say: how strong the associations are. Published means and counts do not identify them.",
    ]


def assumptions() -> list[str]:
    """What the predictions with exits rest on."""
    first, last = LOCK_MONTHS
    return [
        "Death, permanent ventilation and withdrawal for progression have one hazard: a level times exp(a per 10 "
        "points lower current score + b per point a month faster current decline), a ~ Normal"
        f"({PER_10_POINTS[0]:g}, {PER_10_POINTS[1]:g}), b ~ Normal({PER_DECLINE[0]:g}, {PER_DECLINE[1]:g}), negative "
        "draws taken as 0: priors of `by` and `br` in `valor_simulator_truth.csv`; its .9 and .4 for withdrawal lie "
        "within. They are not identified by published means. None, halved, stated and doubled are shown.",
        "Other exits have a constant hazard. Both levels are a start group's own, drawn per posterior draw given the "
        "group's counts (multinomial: informative exit by July 2021, completed week 148, neither), follow-up at July "
        f"2021 uniform on {first:g} to {last:g} months. The counts inform the levels only, not the course (a cut).",
        "Who had an informative exit is taken not to be among the completers; some on ventilation may be.",
        "Persons: `straight, normal` is the model's own covariance (slope, Brownian path, visit residual) carried "
        "unchanged from weeks 2 to 76, where it was set, to week 148: a strong extrapolation, with many persons "
        "improving. `flattening, normal` lets persons' slopes flatten as the mean does; `flattening, skewed` gives "
        "them the shifted lognormal of the simulator. Means and covariances at the fitted visits hardly tell these "
        "apart.",
        "Each arm's slopes and paths are drawn given its residuals to week 28: an arm that ran low stays low.",
        "Baseline scores (37, SD 5.9, 15 to 48) come from the simulator's truth; scores stay within 0 to 48.",
        "That the published means of week 148 are of those still observed: the sources give no method.",
    ]


def _late(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["outcome"] == SCORE) & (table["week"] == 148)]


def _comparison(predictions: pd.DataFrame, week: float, outcome: str, by: list[str]) -> str:
    """One row a scenario and start group: everyone, those observed, published, and its position in either."""
    chosen = predictions[
        (predictions["week"] == week) & (predictions["outcome"] == outcome) & (predictions["associations"] == STATED)
    ]
    header = [*by, "start group", "published", *WHO, "position among everyone", "position among those observed"]
    rows = []
    for key, cell in chosen.groupby([*by, "start_group"], sort=False):
        own = cell.set_index("who")
        shown = [_estimate(own.loc[who], 1 if outcome == SCORE else 2) for who in WHO]
        positions = [f"{own.loc[who, 'position']:.2f}" for who in (EVERYONE, OBSERVED)]
        rows.append([*map(str, key), f"{own['published'].iloc[0]:.2f}", *shown, *positions])
    return _markdown(header, rows)


def _by_strength(predictions: pd.DataFrame, week: float) -> str:
    chosen = predictions[
        (predictions["week"] == week) & (predictions["outcome"] == SCORE) & (predictions["function"] == MAIN)
    ]
    rows = []
    for (persons, strength), cell in chosen.groupby(["persons", "associations"], sort=False):
        own = cell[cell["who"] == OBSERVED].set_index("start_group")
        rows.append(
            [persons, strength]
            + [f"{_estimate(own.loc[g])}; {own.loc[g, 'position']:.2f}" for g in ("early", "delayed", DIFFERENCE)]
        )
    published = chosen.drop_duplicates("start_group").set_index("start_group")["published"]
    names = [f"{g}, still observed; position of {published[g]:.1f}" for g in ("early", "delayed", DIFFERENCE)]
    return _markdown(["persons", "associations", *names], rows)


def _counts(counts: pd.DataFrame) -> str:
    chosen = counts[(counts["function"] == MAIN) & (counts["persons"] == SKEWED) & (counts["published"].notna())]
    rows = [
        [r.associations, r.start_group, r.what, f"{r.published:.0f} of {r.of:.0f}",
         f"{r.mean:.1f} ({r.lower:.1f} to {r.upper:.1f})"]
        for r in chosen.itertuples()
    ]  # fmt: skip
    return _markdown(["associations", "start group", "count", "published", "expected, mean (95 %)"], rows)


def _estimate(row: pd.Series, decimals: int = 1) -> str:
    median, lower, upper = (f"{row[name]:.{decimals}f}" for name in ("median", "lower", "upper"))
    return f"{median} ({lower} to {upper})"


def _span(low: float, high: float) -> str:
    decimals = 2 if max(abs(low), abs(high)) < 1 else 1
    first, last = f"{low:.{decimals}f}", f"{high:.{decimals}f}"
    return first if first == last else f"{first} to {last}"


def _width(frame: pd.DataFrame, group: str, who: str) -> str:
    """Half the width of the intervals."""
    own = frame[(frame["start_group"] == group) & (frame["who"] == who)]
    half = (own["upper"] - own["lower"]) / 2
    return f"{half.min():.0f} to {half.max():.0f}"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
