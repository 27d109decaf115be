"""What is asked of a dossier on a Bayesian analysis, item by item: where it stands, or what would make it.

The items are in our own words, after the draft guidance of the FDA, "Use of Bayesian Methodology in Clinical Trials of
Drug and Biological Products" (January 2026), and the estimand attributes of ICH E9(R1). An item that is present is
there to be judged; that it suffices, or that a dossier follows a guidance, is not for this list to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from bayesmodels.dossier.contents import ATTRIBUTES, Contents
from bayesmodels.dossier.criteria import Decided
from bayesmodels.dossier.operating import ASSURANCE, POWER, TYPE_I, null_value
from bayesmodels.dossier.statement import row_of
from bayesmodels.trials.truths import QUANTITIES

Status = Literal["present", "partly", "absent"]


@dataclass(frozen=True)
class Item:
    """One item of the list.

    Parameters
    ----------
    part : str
        Of the dossier.
    asked : str
    status : {"present", "partly", "absent"}
    where : str
        File and row; blank where it is absent.
    how : str
        The line or command that makes it, or what is missing; blank where it is present.
    """

    part: str
    asked: str
    status: Status
    where: str = ""
    how: str = ""


def checklist(contents: Contents) -> tuple[Item, ...]:
    """Every item with its status.

    Parameters
    ----------
    contents : Contents
    """
    return tuple(_items(contents))


def checklist_table(items: tuple[Item, ...]) -> pd.DataFrame:
    """Items as a table: part, asked, status, where, how.

    Parameters
    ----------
    items : tuple of Item
    """
    return pd.DataFrame([vars(item) for item in items])


def _items(c: Contents) -> Iterator[Item]:
    yield from _question(c)
    yield from _success(c)
    yield from _priors(c)
    yield from _operating(c)
    yield from _sensitivity(c)
    yield from _computation(c)


def _of(part: str, asked: str, there: bool, where: str, how: str) -> Item:
    """An item that is there or not."""
    return Item(part, asked, "present", where) if there else Item(part, asked, "absent", "", how)


def words_of(c: Contents, item: str) -> pd.DataFrame:
    """Rows of the sponsor's words on an item, indexed by their place in the table.

    Parameters
    ----------
    c : Contents
    item : str
    """
    table = c.tables["question"].reset_index(drop=True)
    return table[table["item"] == item]


def denies(words: str) -> bool:
    """Whether words begin with a denial.

    Parameters
    ----------
    words : str

    Examples
    --------
    >>> denies("None: only this trial's persons"), denies("No-drug arms of two trials")
    (True, False)
    """
    return re.match(r"(none|nothing|nil|no)(?![\w-])", words.strip(), re.IGNORECASE) is not None


def _words(c: Contents, item: str) -> tuple[bool, str]:
    """Whether the sponsor said something, and where it stands."""
    own = words_of(c, item)
    said = own[(own["words"] != "") | (own["strategy"] != "")]
    rows = ", ".join(str(row_of(int(place))) for place in said.index)
    return len(own) > 0 and len(said) == len(own), f"tables/question.csv, row {rows}" if rows else ""


def _question(c: Contents) -> Iterator[Item]:
    part = "question and estimand"
    yield _of(part, "the trial's question in words", *_words(c, "question"), "[dossier] question")
    for name, words in ATTRIBUTES.items():
        yield _of(part, f"estimand: {words.lower()}", *_words(c, name), f"[estimand] {name}")
    line = '[[estimand.intercurrent_events]] event = "death"  strategy = "..."'
    yield _of(part, "estimand: intercurrent events, each with its strategy", *_words(c, "intercurrent event"), line)
    yield _of(
        part, "the document that fixed criteria, priors and analysis before the data were seen",
        *_words(c, "prespecified"), "[dossier] prespecified",
    )  # fmt: skip
    yield _of(part, "interim looks and what could follow from them", *_words(c, "interim"), "[dossier] interim")


def _success(c: Contents) -> Iterator[Item]:
    part, there = "success criterion", c.has("success")
    line = "[[success]], as [[decide]] of `bayesmodels trials`"
    yield _of(part, "success criterion: quantity, side and probability threshold", there, "tables/success.csv", line)
    yield _of(part, "why this quantity and this threshold", *_words(c, "threshold"), "[[success]] why")
    if len(c.found) > 1:
        said, where = _words(c, "combination")
        yield _of(part, "how several criteria make one decision", said, where, "[dossier] combination")
    settled = there and c.run.reading.context.grade in ("ok", "short")
    how = "[[success]]" if not there else "longer chains (the run's report says what to try)"
    yield _of(part, "whether the criterion was met, from chains that converged", settled, "tables/success.csv", how)


def _priors(c: Contents) -> Iterator[Item]:
    part, priors = "priors", c.tables["priors"]
    again = "`bayesmodels fit` with this version, which keeps the table of priors with the posterior"
    yield _of(part, "every prior with its source", len(priors) > 0, "tables/priors.csv", again)
    justified = int((priors["justification"] != "").sum())
    asked, where = "why each prior holds for this trial, in the sponsor's words", "tables/priors.csv"
    line = '[[prior]] outcome = "..."  parameter = "..."  why = "..."'
    if 0 < justified < len(priors):
        yield Item(part, asked, "partly", where, f"{len(priors) - justified} of {len(priors)} have none: {line}")
    else:
        yield _of(part, asked, justified > 0, where, again if priors.empty else line)
    size = c.tables["prior_size"]
    known = size[(size.get("criterion", "") != "") & size["prior_persons"].notna()] if len(size) else size
    worth = "[[success]] on a quantity that the data taught something about, of a run with prior draws"
    if c.run.reading.context.borrows:
        worth = f"not of a run that borrows, whose external persons count with the data: {WITHOUT}"
    yield _of(
        part, "what the prior of the criterion's quantity is worth in persons", len(known) > 0, "tables/prior_size.csv",
        worth,
    )  # fmt: skip
    before = c.has("success") and c.tables["success"]["prior_probability"].notna().any()
    yield _of(
        part, "probability of the criterion's event before the data", bool(before), "tables/success.csv",
        "[[success]], on a run with prior draws (every `bayesmodels fit`)",
    )  # fmt: skip
    yield _of(
        part, "what the priors predict, against what is possible", c.has("prior_predictive"),
        "tables/prior_predictive.csv", "a model that publishes curve: [study] curve_weeks",
    )  # fmt: skip
    yield _outside(c, part)


WITHOUT = "`bayesmodels fit` without borrowing under [model], then a dossier on that run"


def _outside(c: Contents, part: str) -> Item:
    """What the sponsor says of external data, held against the run: of one that borrows, the trials must be named."""
    asked, (said, where) = "data from outside the trial, and how they entered", _words(c, "borrowing")
    words, trials = c.config.sections.dossier.borrowing or "", c.run.external_trials
    line = "[dossier] borrowing"
    if not c.run.reading.context.borrows or not said:
        return _of(part, asked, said, where, line)
    whom = ", ".join(trials) or "other trials"
    if denies(words):
        how = f"{line}: it denies what the run does, which borrows from persons of {whom}; say how, or {WITHOUT}"
        return Item(part, asked, "absent", where, how)
    unnamed = [trial for trial in trials if trial.casefold() not in words.casefold()]
    if unnamed:
        how = f"{line}: the run borrows from persons of {', '.join(unnamed)}, which it does not name; name them there"
        return Item(part, asked, "partly", where, how)
    return Item(part, asked, "present", where)


MEASURED = {
    TYPE_I: "type I error of every criterion, by simulation",
    POWER: "power of every criterion, by simulation",
    ASSURANCE: "success averaged over a prior of the truth (assurance), and how often success would be wrong",
}
"""What is asked of simulated trials, by measure."""

_DECIDE = "with [[decide]] as [[success]] is here: `bayesmodels trials FILE --out DIR`, then [[trials]] folder = DIR"

_NO_EXTERNAL = f"not of a run that borrows, as `bayesmodels trials` simulates no external persons: {WITHOUT}"


def _study(c: Contents, each: Decided, measure: str) -> str:
    """The study of simulated trials that gives a measure of a criterion; or why none does."""
    context, name = c.run.reading.context, each.criterion.variable
    null = null_value(name)
    drawn = context.model_type == "longitudinal" or ":" in context.model_type  # truths are drawn from no other model
    known = name in QUANTITIES and float(each.cell["labels"]["week"]).is_integer()  # of the generator
    if context.borrows:
        return _NO_EXTERNAL
    if measure == TYPE_I and null is not None and not each.favourable(null):
        return f"[truth] drug_effect = false, {_DECIDE}"
    if measure == TYPE_I and known:
        return f"[truth] changes = {{...}} that make the true value not favourable, {_DECIDE}"
    if measure == POWER and known:
        effect = "" if null is None else "drug_effect = true, and "
        return f"[truth] {effect}changes = {{...}} unless the true value is favourable without, {_DECIDE}"
    if drawn:
        return f'[truth] type = "prior", {_DECIDE}'
    if measure == ASSURANCE:
        return 'none by this package: of such a model no truths are drawn ([truth] type = "prior")'
    return f"none by this package: the generator does not know the true {name}, and of such a model no truths are drawn"


def _studies(c: Contents, missing: Sequence[Decided], measure: str) -> str:
    """The same of several criteria: each study with the criteria that it is for, unless one will do for all."""
    criteria: dict[str, list[str]] = {}
    for each in missing:
        criteria.setdefault(_study(c, each, measure), []).append(each.criterion.name)
    if len(missing) == len(c.found) and len(criteria) == 1:
        return next(iter(criteria))
    return "; ".join(f"not of {', '.join(names)}: {how}" for how, names in criteria.items())


def _operating(c: Contents) -> Iterator[Item]:
    part, rules = "operating characteristics", c.tables["operating_rules"]
    borrows = c.run.reading.context.borrows
    for measure, asked in MEASURED.items():
        covered = set(rules.loc[rules["measure"] == measure, "criterion"])
        missing = [each for each in c.found if each.criterion.name not in covered]
        how = _studies(c, missing, measure) if c.found else "[[success]]"
        if 0 < len(missing) < len(c.found):
            yield Item(part, asked, "partly", "tables/operating_rules.csv", how)
        else:
            yield _of(part, asked, bool(c.found) and not missing, "tables/operating_rules.csv", how)
    quantities = c.tables["operating_quantities"]
    judged = len(quantities) > 0 and quantities["bias"].notna().any()
    yield _of(
        part, "bias, coverage and width of the estimates", bool(judged), "tables/operating_quantities.csv",
        "[[keep]] in the file of `bayesmodels trials`, of a quantity whose truth is known (difference, curve)",
    )  # fmt: skip
    studies = c.tables["operating_studies"]
    asked, where = "simulated trials were analysed with the model of this trial", "tables/operating_studies.csv"
    same = int(studies["same_model"].sum()) if len(studies) else 0
    if 0 < same < len(studies):
        yield Item(part, asked, "partly", where, "another model in some studies: make their [model] that of the run")
    else:
        how = _NO_EXTERNAL if borrows else "the run's [model] in the file of `bayesmodels trials`"
        yield _of(part, asked, same > 0, where, how)
    ended = [study for study in c.studies if not study.found.missing]
    asked = "all planned simulated trials were fitted; failures and chains that did not converge are counted"
    if 0 < len(ended) < len(c.studies):
        names = [study.name for study in c.studies if study.found.missing]
        yield Item(part, asked, "partly", where, f"give the command of {', '.join(names)} again: it goes on")
    else:
        yield _of(part, asked, bool(ended), where, "`bayesmodels trials`, until every fit is there")


def _sensitivity(c: Contents) -> Iterator[Item]:
    part = "sensitivity"
    priors = [name for name in ("share_priors", "sensitivity_runs") if c.has(name)]
    yield _of(
        part, "the answer under other priors", bool(priors), _files(priors),
        "another `bayesmodels fit` with other priors, then [[sensitivity]] name = ...  run = ...",
    )  # fmt: skip
    forms = [name for name in ("model_sensitivity", "sensitivity_runs") if c.has(name)]
    yield _of(
        part, "the answer under other forms of the model", bool(forms), _files(forms),
        "[model_sensitivity] in the run's configuration, or [[sensitivity]]",
    )  # fmt: skip
    outcome = next((str(each.cell["labels"]["outcome"]) for each in c.found if "outcome" in each.cell["labels"]), "...")
    week = next((float(each.cell["labels"]["week"]) for each in c.found if "week" in each.cell["labels"]), 52.0)
    yield _of(
        part, "the answer if those who left did otherwise than missing at random says", c.has("dropout_strategies"),
        "tables/dropout_strategies.csv", f'[dropout] outcome = "{outcome}"  week = {week:g}',
    )  # fmt: skip
    yield _of(
        part, "whether the fitted model makes data like those observed", c.has("predictive_coverage"),
        "tables/predictive_coverage.csv", "a model of persons: every `bayesmodels fit` of one",
    )  # fmt: skip


def _files(names: list[str]) -> str:
    return ", ".join(f"tables/{name}.csv" for name in names)


def _computation(c: Contents) -> Iterator[Item]:
    part, where, context = "computation", "tables/computation.csv", c.run.reading.context
    yield _of(
        part, "convergence of the chains, with the limits that it was judged by", context.grade in ("ok", "short"),
        "tables/convergence.csv", "longer chains: the first screen says what to try",
    )  # fmt: skip
    facts = c.tables["computation"]
    known = set(facts.loc[facts["run"] == c.run.name, "what"])
    again = "`bayesmodels fit` with this version"
    seeded = context.seed != "not recorded" and any(name.startswith("sampling: ") for name in known)
    yield _of(part, "sampler, its settings and its seed", seeded, where, again)
    versioned = any(name.startswith("version: ") for name in known)
    yield _of(part, "versions of the software that the draws depend on", versioned, where, again)
    yield _of(part, "the machine", any(name.startswith("machine: ") for name in known), where, again)
    yield _of(part, "digests of data and posterior", bool(c.run.data_digest and c.run.posterior_sha256), where, again)
    yield _of(
        part, "the analysis word for word, to run it again", bool(c.run.config), "configs/run.toml",
        "config.toml in the run's folder",
    )  # fmt: skip
