"""The batch job from a table of persons to a folder with its single-trial criteria or its two-stage R2."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.fitting.settings import draw_seed
from bayesmodels.posterior.wording import chance, estimate
from bayesmodels.reporting.page import Lead, Section, compose
from bayesmodels.run.folder import REPORT, SUMMARY, RunFolder, check_new
from bayesmodels.safe_labels import table_csv
from bayesmodels.study import ClusterTable, Endpoint, read_clusters
from bayesmodels.study.files import read_table
from bayesmodels.surrogacy.likelihood_reduction import LikelihoodReduction, likelihood_reduction
from bayesmodels.surrogacy.person_level import single_trial
from bayesmodels.surrogacy.settings import SOURCES, CutOffs, SurrogacySettings
from bayesmodels.surrogacy.single_trial import SingleTrial
from bayesmodels.surrogacy.two_stage import Clusters, Form, TwoStage, two_stage
from bayesmodels.surrogacy.verdict import Verdict

Method = Literal["single", "two_stage", "binary"]
Found = SingleTrial | TwoStage | LikelihoodReduction

KIND = "person_level"

QUANTITIES = {
    "trial_r2": "R2 between clusters",
    "individual_r2": "R2 within arms of a cluster",
    "intercept": "effect on the outcome where that on the surrogate is 0",
    "slope": "effect on the outcome per unit of effect on the surrogate",
    "level_slope": "effect on the outcome per unit of the cluster's level of the surrogate",
}


@dataclass(frozen=True)
class PersonLevelRun:
    """What the job left.

    Attributes
    ----------
    folder : Path
    found : SingleTrial, TwoStage or LikelihoodReduction
    seed : int or None
        Of the draws; None where nothing is drawn.
    """

    folder: Path
    found: Found
    seed: int | None

    def sentence(self) -> str:
        """Say where the page is and what the verdicts are."""
        answers = ", ".join(f"{verdict.rung}: {verdict.answer}" for verdict in self.found.verdicts)
        return f"{self.folder / REPORT}: {answers}{'' if self.seed is None else f'; seed {self.seed}'}"


def read_persons(
    path: Path,
    method: Method,
    active: str,
    columns: dict[str, str],
    ends: Mapping[str, Endpoint],
    complete_cases: bool,
) -> ClusterTable:
    """Read what the command was given, with its options in the messages.

    Parameters
    ----------
    path : Path
    method : {"single", "two_stage", "binary"}
        Without clusters, with them, or with them where the file has their column.
    active, columns, complete_cases
        As of `read_clusters`.
    ends : mapping
        `surrogate` and `outcome`.

    Raises
    ------
    BadInput
        Every problem of the table, or good directions that were not given.
    """
    unstated = [f"--{name}-good" for name, end in ends.items() if end.good is None]
    if method == "single" and unstated:
        raise BadInput(f"{', '.join(unstated)}: expected up or down, the sign of a good value; there is no default")
    clustered = method == "two_stage" or (method == "binary" and columns["cluster"] in read_table(path).cells)
    try:
        return read_clusters(
            path,
            active=active,
            columns=columns,
            clustered=clustered,
            complete_cases=complete_cases,
            surrogate=ends["surrogate"],
            outcome=ends["outcome"],
        )
    except BadInput as error:
        raise BadInput(_as_option(problem) for problem in error.problems) from None


def _as_option(problem: str) -> str:
    """A problem of the table, with the option to give."""
    role = re.search(r"with the (\w+) \(columns: ", problem)
    said = problem.replace("name the active one", "name the active one with --active")
    return said if role is None else said.replace("say columns = {...}", f"name it with --{role[1]}")


def run_person_level(
    table: ClusterTable,
    out: str | Path,
    *,
    method: Method = "single",
    important_difference: float | None = None,
    draws: int = 4000,
    seed: int | None = None,
    form: Form = "reduced",
    clusters: Clusters = "places",
    weighted: bool = True,
    interval: float = 0.95,
    again: bool = False,
) -> PersonLevelRun:
    """Judge a surrogate by a table of persons and write ``report.html``, ``summary.json`` and ``tables/*.csv``.

    Parameters
    ----------
    table : ClusterTable
    out : str or Path
        Folder; made if it is not there. Files that its manifest does not list are never touched.
    method : {"single", "two_stage", "binary"}
        `single_trial`, `two_stage` or `likelihood_reduction`.
    important_difference, draws
        Of `single_trial`.
    seed : int, optional
        Of `single_trial`; drawn once and said where it is not given.
    form, clusters, weighted
        Of `two_stage`.
    interval : float
        Level of the intervals.
    again : bool
        Replace what this package wrote there before.

    Raises
    ------
    BadInput
        As the functions; or `out` holds files of others.
    RunExists
        `out` holds a result already, or another process works there.
    """
    folder = RunFolder(Path(out))
    check_new(folder, False, again)
    used: int | None = None
    how: dict[str, Any]
    found: Found
    if method == "single":
        used = draw_seed() if seed is None else seed
        settings = SurrogacySettings(seed=used)
        found = single_trial(table, settings, important_difference=important_difference, draws=draws, level=interval)
        tables, sections = _single(found, settings, important_difference, interval)
        how = {"draws": draws, "seed": used, "important_difference": important_difference}
    elif method == "binary":
        found = likelihood_reduction(table, prob=interval)
        tables, sections = _binary(found)
        how = {}
    else:
        found = two_stage(table, form, clusters=clusters, weighted=weighted, prob=interval)
        tables, sections = _two_stage(found, clusters)
        how = {"form": form, "clusters": clusters, "weighted": weighted}
    summary = {
        "schema": 1,
        "kind": KIND,
        "method": method,
        "data": _data(table),
        "interval": {"kind": INTERVALS[method], "prob": interval},
        **how,
        "verdicts": [verdict.as_json() for verdict in found.verdicts],
        "tables": {name: _records(rows) for name, rows in tables.items() if name != "clusters"},
    }
    page = compose(
        f"{table.name}: {TITLES[method]}", _lead(table, found, interval), [*sections, _data_section(table, how)]
    )
    files: dict[str, Callable[[], bytes]] = {
        **{f"tables/{name}.csv": partial(table_csv, rows) for name, rows in tables.items()},
        SUMMARY: lambda: json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False).encode(),
        REPORT: page.encode,
    }
    with folder.locked():
        folder.check_free(files)
        if folder.manifest() is not None:
            folder.empty()
        folder.begin("report", None, method=method, data=table.digest)
        with folder.ending():
            folder.write_all(files)
    return PersonLevelRun(folder.path, found, used)


TITLES = {
    "single": "surrogate evaluation of one trial",
    "two_stage": "two-stage surrogate evaluation",
    "binary": "surrogate of a binary outcome, between persons",
}
INTERVALS = {"single": "eti", "two_stage": "delta method", "binary": "noncentral chi-square"}


def _data(table: ClusterTable) -> dict[str, Any]:
    ends = {"surrogate": table.surrogate.facts, "outcome": table.outcome.facts}
    arms = {"active": table.active, "control": table.control}
    return {"name": table.name, "digest": table.digest, "counts": table.counts, **arms, **ends}


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON types, undefined numbers as None."""
    known = rows.replace([np.inf, -np.inf], np.nan).astype(object)
    return known.where(known.notna(), None).to_dict("records")


_OF_ONE_TRIAL = {"alpha": "response", "beta": "", "adjusted_association": "individual"}
_TWO_STAGE = {"individual_r2": "individual", "trial_r2": "trial"}
"""Quantities of the first screen, and the rung whose answer says whether they are settled."""


def _lead(table: ClusterTable, found: Found, level: float) -> Lead:
    n = table.counts
    left_out = f" {n['incomplete']} rows with a blank value were left out." if n["incomplete"] else ""
    if isinstance(found, LikelihoodReduction):
        return _binary_lead(table, found, left_out)
    rows = found.table.set_index("quantity")
    is_single = isinstance(found, SingleTrial)
    middle = "median" if is_single else "estimate"
    words = rows["name"] if is_single else QUANTITIES
    answers = {verdict.rung: verdict for verdict in found.verdicts}
    identified: list[str] = []
    open_: list[str] = []
    for name, rung in (_OF_ONE_TRIAL if is_single else _TWO_STAGE).items():
        middle_and_limits = rows.loc[name, [middle, "lower", "upper"]]
        end = {"alpha": table.surrogate, "beta": table.outcome}.get(name)
        sign = "" if end is None else f"; {'+' if end.good == 'up' else '−'} favours {table.active}"
        unit = f" {end.unit}" if end is not None and end.unit else ""
        line = f"{_upper(words[name])}: {estimate(*middle_and_limits)}{unit}{sign}."
        settled = middle_and_limits["lower"] > 0 or middle_and_limits["upper"] < 0
        if rung in answers:
            settled = answers[rung].answer in ("supported", "not supported")
            line += "" if settled else f" {answers[rung].sentence_and_why}"
        (identified if settled else open_).append(line)
    kind = (
        f"Effects are {table.active} minus {table.control}; numbers are posterior medians with {100 * level:g} % ETI "
        "(equal-tailed interval)."
        if is_single
        else f"Numbers are estimates with {100 * level:g} % intervals by the delta method."
    )
    told = (_OF_ONE_TRIAL if is_single else _TWO_STAGE).values()
    open_ += [v.sentence_and_why for v in found.verdicts if v.answer == "not assessable" and v.rung not in told]
    return Lead(
        paragraphs=(
            f"{table.surrogate.label} as a surrogate for {table.outcome.label}: {n['patients']:,} persons, "
            f"{table.active} against {table.control}"
            f"{'' if n['clusters'] == 1 else f', {n["clusters"]} clusters'}.{left_out} "
            "Each rung is its own question; a yes on one is no yes on the next. An association between persons is not "
            "a relation between effects.",
            kind,
        ),
        identified=identified,
        not_identified=open_,
        verdicts=found.verdicts,
    )


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _rungs(verdicts: tuple[Verdict, ...], cuts: Mapping[str, float]) -> Section:
    lines = [
        f"{verdict.rung.capitalize()} level. {verdict.answer.capitalize()}. {verdict.sentence_and_why} What would "
        f"change it: {' '.join(verdict.what_would_change_it)}"
        for verdict in verdicts
    ]
    limits = pd.DataFrame(
        [{"Cut-off": name.replace("_", " "), "Value": f"{cuts[name]:g}", "Source": SOURCES[name]} for name in cuts]
    )
    return Section(
        "How far the evidence goes",
        lines,
        {"Cut-offs": limits},
        note="Not assessable: the design cannot say, whatever the numbers. It is an answer, and no failure.",
    )


def _single(
    found: SingleTrial, settings: SurrogacySettings, important_difference: float | None, level: float
) -> tuple[dict[str, pd.DataFrame], list[Section]]:
    """Tables and sections of one trial's criteria."""
    label = f"({100 * level:g} % equal-tailed)"
    regions = settings.regions(important_difference)
    tables = {
        "criteria": found.table,
        "prentice": found.prentice.table,
        "causal_association": found.causal_association.table,
        "principal_strata": found.principal_strata,
        "sensitivity": found.sensitivity,
    }
    criteria = _for_readers(
        found.table, {"Quantity": lambda r: r["name"], f"Median {label}": _limits, "Note": lambda r: r["note"]}
    )
    probabilities = _for_readers(
        found.prentice.table,
        {"Criterion": lambda r: r["criterion"], "Probability": lambda r: chance(r["probability"])},
    )
    causal = _for_readers(
        found.causal_association.table,
        {
            "Assumption": lambda r: f"{r['assumption']}: {r['meaning']}",
            f"Association {label}": _limits,
            "P(squared > 0.5)": lambda r: chance(r["probability_r2_above_half"]),
        },
    )
    strata = _for_readers(
        found.principal_strata,
        {
            "Assumption": lambda r: r["assumption"],
            f"Effect where the surrogate is not moved {label}": lambda r: _limits(r, "g0_"),
            "Per unit of effect on the surrogate": lambda r: _limits(r, "g1_"),
            "P(right sign)": lambda r: chance(r["g1_right_sign"]),
        },
    )
    errors = _for_readers(
        found.sensitivity,
        {
            "Correlation of errors": lambda r: f"{r['error_correlation']:g}",
            f"Indirect effect {label}": lambda r: _limits(r, "indirect_"),
            f"Share mediated {label}": lambda r: _limits(r, "share_"),
        },
    )
    return tables, [
        _rungs(found.verdicts, settings.cut_offs.model_dump()),
        Section(
            "Criteria of one trial",
            [f"{_upper(found.relative_effect.sentence())}. {_upper(found.proportion_explained.sentence())}."],
            {"Effects are active minus control; values as measured": criteria},
        ),
        Section(
            "Prentice's criteria",
            [f"{_upper(found.prentice.sentence())}."],
            {"Probability of each criterion": probabilities},
            note="C1: the drug moves the surrogate. C2: it moves the outcome. C3: the two go together, within arms. "
            "C4: given the surrogate, the effect left over is inside the region. "
            f"Regions: surrogate {regions.surrogate:g}, outcome {regions.outcome:g}, residual "
            f"{'not declared' if np.isnan(regions.residual) else f'{regions.residual:g}'}.",
        ),
        Section(
            "A person's two effects",
            [
                "No person is seen both with and without the drug, so the data leave four correlations open: the "
                "answer is a range over them, narrowed only by assumptions."
            ],
            {"Individual causal association": causal, "Principal strata": strata},
        ),
        Section(
            "Sensitivity to causes that were not measured",
            ["How much of the effect on the outcome goes through the surrogate, if errors of the two are correlated."],
            {"By correlation of errors": errors},
        ),
    ]


def _two_stage(found: TwoStage, clusters: Clusters) -> tuple[dict[str, pd.DataFrame], list[Section]]:
    """Tables and sections of a two-stage estimate."""
    estimates = _for_readers(
        found.table,
        {
            "Quantity": lambda r: QUANTITIES[r["quantity"]],
            f"Estimate ({100 * found.prob:g} %, delta method)": lambda r: _limits(r, middle="estimate"),
            "Standard error": lambda r: r["se"],
        },
    )
    used = CutOffs().model_dump(include={"individual_supported", "individual_refuted"})
    return {"estimates": found.table, "clusters": found.effects}, [
        _rungs(found.verdicts, used),
        Section(
            "Two-stage estimates",
            [found.sentence().splitlines()[0]],
            {f"{_upper(found.form)} model, {len(found.effects)} {clusters}": estimates},
            note="Buyse, Molenberghs, Burzykowski, Renard and Geys (2000), Biostatistics 1:49-67. Intervals of R2 are "
            "not cut at 0 and 1; they do not know the errors of stage 1.",
        ),
        Section("Effects of each cluster", tables={"Stage 1, active minus control": found.effects}, collapsed=True),
    ]


def _binary_lead(table: ClusterTable, found: LikelihoodReduction, left_out: str) -> Lead:
    """First screen of a binary outcome."""
    n, verdict = table.counts, found.verdicts[0]
    line = f"{found.sentence().splitlines()[0]} {verdict.sentence_and_why}"
    settled = verdict.answer in ("supported", "not supported")
    return Lead(
        paragraphs=(
            f"{table.surrogate.label} as a surrogate for {table.outcome.label}: {n['patients']:,} persons, "
            f"{table.active} against {table.control}"
            f"{'' if n['clusters'] == 1 else f', {n["clusters"]} clusters'}.{left_out} "
            "An association between persons is not a relation between effects.",
        ),
        identified=[line] if settled else [],
        not_identified=[*([] if settled else [line]), found.verdicts[1].sentence_and_why],
        verdicts=found.verdicts,
    )


def _binary(found: LikelihoodReduction) -> tuple[dict[str, pd.DataFrame], list[Section]]:
    """Tables and sections of a binary outcome."""
    label = f"({100 * found.prob:g} % CI)"
    rows = _for_readers(
        found.table,
        {
            "Cluster": lambda r: r["cluster"],
            "Persons": lambda r: r["persons"],
            "Events": lambda r: r["events"],
            f"Likelihood reduction factor {label}": lambda r: _limits(r, middle="lrf"),
            "At most": lambda r: f"{r['bound']:.2f}",
            f"Share of that {label}": _scaled,
            "Log odds ratio per SD": lambda r: _log_odds_ratio(r["log_odds_ratio"]),
        },
    )
    used = CutOffs().model_dump(include={"individual_supported", "individual_refuted"})
    return {"likelihood_reduction": found.table}, [
        _rungs(found.verdicts, used),
        Section(
            "Likelihood reduction factor",
            [found.sentence().splitlines()[0]],
            {"By cluster, and pooled with one slope": rows},
            note="1 - exp(-G2 / n) of logistic regressions with and without the surrogate, a level in every arm of "
            "every cluster; Alonso and Molenberghs (2007), Biometrics 63:180-186. Intervals from the noncentral "
            "chi-square distribution (Kent 1983). A cluster's own factor is biased upwards by about 1 / n.",
        ),
    ]


def _scaled(row: Mapping[str, Any]) -> str:
    numbers = [row[name] for name in ("scaled", "scaled_lower", "scaled_upper")]
    return "–" if np.isnan(numbers).any() else estimate(*numbers)


def _for_readers(table: pd.DataFrame, columns: Mapping[str, Callable[[dict], Any]]) -> pd.DataFrame:
    """A table with the columns that a reader wants, each made from a row."""
    return pd.DataFrame([{head: of(row) for head, of in columns.items()} for row in table.to_dict("records")])


def _log_odds_ratio(value: float) -> str:
    if np.isinf(value):
        return f"{'−' if value < 0 else ''}∞ (separated)"
    return "–" if np.isnan(value) else f"{value:.2f}"


def _limits(row: Mapping[str, Any], prefix: str = "", middle: str = "median") -> str:
    numbers = [row[f"{prefix}{edge}"] for edge in (middle, "lower", "upper")]
    return "–" if np.isnan(numbers).any() else estimate(*numbers)


def _data_section(table: ClusterTable, how: Mapping[str, Any]) -> Section:
    facts = {**table.counts, **how, "digest": table.digest}
    rows = [(name.replace("_", " "), str(value)) for name, value in facts.items() if value is not None]
    return Section("Data and settings", tables={"This analysis": pd.DataFrame(rows, columns=["What", "Value"])})
