"""What a dossier states, sentence by sentence, each with the row that it stands on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from bayesmodels.dossier.checklist import Item, denies, words_of
from bayesmodels.dossier.contents import Contents
from bayesmodels.dossier.criteria import NOT_DECIDED, Decided
from bayesmodels.dossier.operating import ALL_MET, ANY_MET, ASSURANCE, POWER, TYPE_I, WRONG, same_rule
from bayesmodels.dossier.statement import Statement, row_of
from bayesmodels.posterior.context import stratum_label
from bayesmodels.posterior.estimand import missing_data
from bayesmodels.posterior.wording import cell, difference, signed
from bayesmodels.trials.kept import said
from bayesmodels.vocabulary import VARIABLES

PARTS = ("success", "priors", "operating", "sensitivity", "missing", "computation", "checklist")
"""Parts of the page that state something, in their order."""

FOLLOWED, TREATMENT_POLICY = "hypothetical", "treatment policy"
"""The strategy that a mean course as if everybody were alive and followed follows, and one that it may."""

MEASURES = {
    POWER: "Power",
    TYPE_I: "Type I error",
    ASSURANCE: "Assurance",
    WRONG: "Share of successes without a favourable truth",
    "success": "Share of successes, the truth of this quantity not being known",
    ALL_MET: "All criteria met together",
    ANY_MET: "Any of the criteria met",
}


def statements(contents: Contents, items: tuple[Item, ...]) -> dict[str, list[Statement]]:
    """Statements by part of the page.

    Parameters
    ----------
    contents : Contents
    items : tuple of Item
        The checklist.

    Returns
    -------
    dict of str to list of Statement
        Keys `PARTS`.
    """
    makers = {
        "success": _success, "priors": _priors, "operating": _operating, "sensitivity": _sensitivity,
        "missing": _missing, "computation": _computation,
    }  # fmt: skip
    found = {part: list(make(contents)) for part, make in makers.items()}
    return found | {"checklist": [_counted(items)]}


def cautions(contents: Contents) -> list[Statement]:
    """What must be known before any number: external persons, other analyses or data, chains that did not converge.

    Parameters
    ----------
    contents : Contents
    """
    return [*_of_borrowing(contents), *_of_criteria(contents), *_of_studies(contents), *_of_sensitivity(contents)]


def quantity_words(contents: Contents, each: Decided) -> str:
    """A criterion's quantity in words: "difference (ALSFRS-R, early minus delayed, all persons, week 28)".

    Parameters
    ----------
    contents : Contents
    each : Decided
    """
    context, labels = contents.run.reading.context, each.cell["labels"]
    words = []
    for dim, label in labels.items():
        text = said(label)
        if dim == "outcome" and text in context.outcomes:
            text = context.outcomes[text].label
        elif dim == "contrast":
            text = text.replace(" - ", " minus ")
        elif dim == "stratum":
            text = stratum_label(text)
        elif dim == "week":
            text = f"week {text}"
        words.append(text)
    variable = VARIABLES[each.criterion.variable]
    name = variable.name.replace("_", " ") if "contrast" in labels else variable.label or variable.meaning
    return f"{name} ({', '.join(words)})" if words else name


def probability_words(value: float) -> str:
    """A probability to three decimals; never 0 or 1.

    >>> probability_words(0.97512), probability_words(1.0)
    ('0.975', '> 0.999')
    """
    if math.isnan(value):
        return "not known"
    if value > 0.999:
        return "> 0.999"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share_words(row: Mapping[str, Any]) -> str:
    """A share with its limits and counts: "0.120 (exact 95 % limits 0.045 to 0.243; 6 of 50 trials)"."""
    return (
        f"{row['share']:.3f} (exact 95 % limits {row['lower']:.3f} to {row['upper']:.3f}; {row['successes']:,} of "
        f"{row['fits']:,} simulated trials)"
    )


def favours(contents: Contents, each: Decided) -> str:
    """Which sign favours whom, where the quantity is a comparison: "+ favours early"; else which side helps."""
    context, labels = contents.run.reading.context, each.cell["labels"]
    for contrast in context.contrasts:
        if labels.get("contrast") == contrast.label and str(labels.get("outcome")) in context.outcomes:
            return signed(contrast.direction(context.outcomes[str(labels["outcome"])]))
    return f"{'above' if each.sign > 0 else 'below'} {each.criterion.beyond:g} counts as favourable"


def _success(c: Contents) -> Iterator[Statement]:
    for place, (each, row) in enumerate(zip(c.found, c.tables["success"].to_dict("records"), strict=True)):
        side = "above" if each.sign > 0 else "below"
        unit = f" {row['unit']}" if row["unit"] else ""
        error = f", Monte-Carlo error {row['monte_carlo_error']:.1g}" if row["monte_carlo_error"] > 0 else ""
        answer = "not decided, as the chains did not converge" if row["answer"] == NOT_DECIDED else f"{row['answer']}"
        caution = f" Note: {row['caution']}." if row["caution"] else ""
        yield Statement(
            f"“{row['criterion']}”: {answer}. The posterior probability that the {quantity_words(c, each)} is {side} "
            f"{row['beyond']:g}{unit} is {probability_words(row['probability'])}{error}; the threshold is "
            f"{row['threshold']:g}. Before the data it was {probability_words(row['prior_probability'])}. Median "
            f"{difference(row['median'], row['lower'], row['upper'])}{unit} ({row['interval']}; {favours(c, each)})."
            f"{caution}",
            "success",
            row_of(place),
            mark=f"{answer}.",
        )


def _priors(c: Contents) -> Iterator[Statement]:
    priors = c.tables["priors"]
    if len(priors):
        n = int((priors["justification"] != "").sum())
        yield Statement(f"The model has {len(priors)} stated priors; {n} carry the sponsor's reason.", "priors")
    size = c.tables["prior_size"]
    for place, row in enumerate(size.to_dict("records")):
        if not row.get("criterion"):
            continue
        if math.isnan(row["prior_persons"]):
            text = f"What the prior of “{row['criterion']}” is worth in persons is {row['note']}."
        else:
            text = (
                f"The prior of the quantity of “{row['criterion']}” is worth {cell(row['prior_persons'])} of this "
                f"trial's persons (Monte-Carlo error {cell(row['monte_carlo_error'])}; by interval widths "
                f"{cell(row['by_width'])}), beside the {row['persons']:,.0f} observed."
                + (f" Note: {row['note']}." if row["note"] else "")
            )
        yield Statement(text, "prior_size", row_of(place))
    before = c.tables["prior_predictive"]
    beyond = before[["share_below", "share_above"]].max(axis=1) if c.has("prior_predictive") else pd.Series(dtype=float)
    if beyond.notna().any():
        place = int(beyond.fillna(-1.0).argmax())
        row = before.iloc[place]
        outcome = c.run.reading.context.outcomes[row["outcome"]].label
        yield Statement(
            f"Of the mean courses of {outcome} that the priors expect, {100 * row['share_below']:.0f} % lie below the "
            f"outcome's range and {100 * row['share_above']:.0f} % above it at week {row['week']:g} in "
            f"{row['start_group']}, the most of the cells looked at.",
            "prior_predictive",
            row_of(place),
        )


def _operating(c: Contents) -> Iterator[Statement]:
    studies = {study.name: study for study in c.studies}
    same = dict(zip(c.tables["operating_studies"]["study"], c.tables["operating_studies"]["same_model"], strict=True))
    for place, row in enumerate(c.tables["operating_rules"].to_dict("records")):
        what = f" of “{row['criterion']}”" if row["criterion"] else f" of the rule “{row['rule']}”, no criterion here"
        if row["measure"] in (ALL_MET, ANY_MET):
            what = ""
        other = "" if same[row["study"]] else " This is another model than the run's."
        share = share_words(row)
        if row["measure"] == WRONG:
            share = share.replace("simulated trials", "successes")
        yield Statement(
            f"{MEASURES.get(row['measure'], row['measure'])}{what}: {share}. Truth: "
            f"{studies[row['study']].truth_in_words} ({row['study']}).{other}",
            "operating_rules",
            row_of(place),
        )
    asked = {each.cell["quantity"] for each in c.found}
    for place, row in enumerate(c.tables["operating_quantities"].to_dict("records")):
        if row["quantity"] in asked and not math.isnan(row["bias"]):
            yield Statement(
                f"{row['quantity']}, {row['study']}: bias {cell(row['bias'])} (Monte-Carlo error "
                f"{cell(row['bias_se'])}); {row['coverage_count']:,} of {row['fits']:,} equal-tailed "
                f"{100 * row['interval']:g} % intervals cover the truth, {row['coverage']:.3f} (exact "
                f"95 % limits {row['coverage_lower']:.3f} to {row['coverage_upper']:.3f}); mean width "
                f"{cell(row['width'])}.",
                "operating_quantities",
                row_of(place),
            )
    for place, row in enumerate(c.tables["operating_studies"].to_dict("records")):
        notes = []
        if row["persons"] and row["run_persons"] and row["persons"] != row["run_persons"]:
            notes.append(f" Its trials have other sizes ({row['persons']}) than this trial ({row['run_persons']}).")
        yield Statement(
            f"{row['study']}: {row['fits']:,} of {row['planned']:,} planned trials, {row['failed']:,} failed, "
            f"{row['not_converged']:,} did not converge (they count in every share; failed ones in none)."
            f"{''.join(notes)}",
            "operating_studies",
            row_of(place),
        )


def _sensitivity(c: Contents) -> Iterator[Statement]:
    if c.has("sensitivity_runs"):
        table = c.tables["sensitivity_runs"]
        for place, row in enumerate(table.to_dict("records")):
            changed = f" Changed: {row['changed']}." if row["changed"] else " The model is the main run's."
            yield Statement(
                f"{row['run']}, “{row['criterion']}”: probability {probability_words(row['probability'])} against "
                f"{row['threshold']:g}, {row['answer']}; median "
                f"{difference(row['median'], row['lower'], row['upper'])} {row['unit']} ({row['interval']})."
                + ("" if row["run"] == c.run.name else changed),
                "sensitivity_runs",
                row_of(place),
            )
    if c.has("share_priors"):
        yield Statement(
            "Shares of the decline that the drug removes, and the differences they imply, under other priors of the "
            "share, without a refit:", "share_priors",
        )  # fmt: skip
    if c.has("model_sensitivity"):
        yield Statement("Differences under other forms of the model, each fitted anew:", "model_sensitivity")


def _missing(c: Contents) -> Iterator[Statement]:
    yield Statement(missing_data(c.run.reading.context), "success" if c.found else "data")
    table = c.tables["data"]
    for place, row in enumerate(table.to_dict("records")):
        if row["what"].startswith(("visits missing, ", "persons by end, ")):
            kind, _, name = row["what"].partition(", ")
            if name == "none":
                yield Statement(f"Persons followed to the end without an event: {row['value']}.", "data", row_of(place))
                continue
            words = (
                "Visits that were due and are missing"
                if kind == "visits missing"
                else "Persons whose follow-up ended by"
            )
            yield Statement(f"{words}: {name}, {row['value']}.", "data", row_of(place))
    if c.has("dropout_strategies"):
        yield Statement("The comparison if those who left did otherwise:", "dropout_strategies")
    else:
        yield Statement("No analysis varies this assumption ([dropout] does).", "data")


def _computation(c: Contents) -> Iterator[Statement]:
    table, context = c.tables["computation"], c.run.reading.context
    own = table[table["run"] == c.run.name]
    wanted = {
        "convergence": "Convergence: {}.", "seed": "Seed: {}.", "SHA-256 of the data": "SHA-256 of the data: {}.",
        "SHA-256 of posterior.nc": "SHA-256 of the posterior: {}.", "posterior.nc": "The posterior's file is {}.",
    }  # fmt: skip
    for what, words in wanted.items():
        for place in own.index[own["what"] == what]:
            yield Statement(words.format(table.at[place, "value"]), "computation", row_of(int(place)))
    if context.limits.looser:
        yield Statement(f"Convergence was judged by looser limits: {', '.join(context.limits.looser)}.", "convergence")


def _counted(items: tuple[Item, ...]) -> Statement:
    counts = {status: sum(item.status == status for item in items) for status in ("present", "partly", "absent")}
    return Statement(
        f"Items asked for: {len(items)}; present {counts['present']}, in part {counts['partly']}, absent "
        f"{counts['absent']}. Present means there to be judged, not sufficient.",
        "checklist",
    )


def _of_criteria(c: Contents) -> Iterator[Statement]:
    if not c.found:
        yield Statement("No success criterion is stated ([[success]]).", "question")
    events = [e for e in c.config.sections.estimand.intercurrent_events if e.strategy != FOLLOWED]
    courses = [each.criterion.name for each in c.found if _of_courses(each.criterion.variable)]
    table = c.tables["question"]
    if courses:
        for event in events:
            (place,) = table.index[(table["item"] == "intercurrent event") & (table["what"] == event.event)][:1]
            agree = (
                "the strategy is followed only if visits after the event are in the tables; for death it cannot be."
                if event.strategy == TREATMENT_POLICY
                else "the analysis and the estimand do not agree."
            )
            yield Statement(
                f"The estimand deals with {event.event} by the strategy “{event.strategy}”, but {_named(courses)} is "
                f"of mean courses as if all persons were alive and followed, which is a hypothetical strategy: {agree}",
                "question",
                row_of(int(place)),
            )


def _of_courses(name: str) -> bool:
    """Whether a variable is of persons' mean courses: means, differences and effects on an outcome."""
    row = VARIABLES[name]
    return "outcome" in row.dims and (row.level == "curve" or bool(row.effect))


def _of_borrowing(c: Contents) -> Iterator[Statement]:
    if not c.run.reading.context.borrows:
        return
    whom = ", ".join(c.run.external_trials) or "not named"
    place = row_of(int(words_of(c, "borrowing").index[0]))
    table, row = ("borrowing", None) if c.has("borrowing") else ("question", place)
    yield Statement(
        f"EXTERNAL PERSONS: the run's model borrows from persons of other trials ({whom}), who were not randomised "
        "with this trial's. Comparisons are as randomised but for borrowing, and every probability leans on them.",
        table,
        row,
        loud=True,
    )
    words = c.config.sections.dossier.borrowing
    if words and denies(words):
        yield Statement(
            f"CONTRADICTED: of data from outside the trial the sponsor says “{words}”, but the run's model borrows "
            f"from persons of other trials ({whom}).",
            "question",
            place,
            loud=True,
        )


def _named(names: list[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _of_studies(c: Contents) -> Iterator[Statement]:
    rows = c.tables["operating_studies"].to_dict("records")
    for place, (study, row) in enumerate(zip(c.studies, rows, strict=True)):
        if not row["same_model"]:
            yield Statement(
                f"ANOTHER MODEL: the trials of {study.name} were analysed with another model than the run's (the "
                f"run's, there the trials'): {row['differences']}. Its operating characteristics are not those of "
                "this analysis.",
                "operating_studies",
                row_of(place),
                loud=True,
            )
        if study.found.missing:
            yield Statement(
                f"{study.name} is unfinished: {len(study.found.missing):,} of {study.found.planned:,} fits are "
                "missing.",
                "operating_studies",
                row_of(place),
            )
        if row["not_converged"]:
            yield Statement(
                f"{row['not_converged']:,} of {row['fits'] - row['failed']:,} fits of {study.name} did not converge; "
                "they count in its shares.",
                "operating_studies",
                row_of(place),
            )
        lacking = [each.criterion.name for each in c.found if not same_rule(study, each)]
        if lacking:
            yield Statement(
                f"{study.name} decides by other rules than {_named(lacking)}: it says nothing about how often that is "
                "met.",
                "operating_rules",
            )


def _of_sensitivity(c: Contents) -> Iterator[Statement]:
    table = c.tables["sensitivity_runs"]
    for run in c.sensitivity:
        own = table[table["run"] == run.name] if len(table) else table
        row = row_of(int(own.index[0])) if len(own) else None
        if run.data_digest != c.run.data_digest:
            yield Statement(
                f"OTHER DATA: {run.name} was fitted to other tables than the main run.",
                "sensitivity_runs",
                row,
                loud=True,
            )
        if run.reading.context.unconverged:
            yield Statement(f"The chains of {run.name} did not converge.", "sensitivity_runs", row)
