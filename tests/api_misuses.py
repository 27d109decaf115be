"""A hundred ways to call the public functions wrongly: arguments of another kind, swapped, missing places, nonsense."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import toy_model
import xarray as xr

import bayesmodels as b
from bayesmodels.planning import Grid, PlannedEndpoint
from bayesmodels.posterior.archive import SCHEMA
from bayesmodels.trials import Kept

STUDY = toy_model.study()
TABLES = toy_model.tables()
PERSONS, VISITS = TABLES["persons"], TABLES["visits"]
MODEL = b.LongitudinalModel(outcomes=(b.alsfrs_r(),))
TOY = toy_model.Toy()
FRAME = pd.DataFrame({"a": [1.0]})
CLUSTERS = b.ClusterTable.from_frame(
    pd.DataFrame({"cluster": "a", "treatment": [0, 1] * 4, "surrogate": range(8), "outcome": [1, 3, 2, 5, 4, 6, 8, 7]}),
    active=1,
)
NOT_A_TREE = xr.Dataset({"x": ("draw", [1.0])})
NAN = xr.DataTree.from_dict(
    {
        "posterior": xr.Dataset(
            {"population_rate": (("chain", "draw", "outcome", "stratum"), np.full((2, 10, 1, 1), np.nan))},
            coords={"outcome": ["alsfrs_r"], "stratum": ["all"]},
        ),
        "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), np.zeros((2, 10), bool))}),
    }
)
DRAWN = xr.DataTree.from_dict({name: group.to_dataset().fillna(1.0) for name, group in NAN.children.items()})
NAN.attrs = {"schema": SCHEMA}
EMPTY = xr.DataTree()
SETTINGS = b.NutsSettings(draws=10, tune=10, seed=1, chains=1)
DROPOUT = b.Dropout(outcome="alsfrs_r", week=8)
KEPT = Kept(variable="difference")
GRID, PLANNED = Grid(persons=(60,)), PlannedEndpoint(name="NfL", outcome="nfl_plasma")
NUMBER, TEXT, LIST = 3, "nonsense", [1]


def with_column(name):
    """A duplicated person, and a covariate whose name is a field of the message's text."""
    twice = pd.concat([PERSONS, PERSONS.iloc[:1]], ignore_index=True)
    return twice.assign(**{name: 1.0})


MISUSES = {
    # data in
    "read_study of None": lambda p: b.read_study(None),
    "read_study of a number": lambda p: b.read_study(NUMBER),
    "read_study of nothing": lambda p: b.read_study(p / "nothing"),
    "read_study of a file": lambda p: b.read_study(p / "file"),
    "read_study of an empty folder": lambda p: b.read_study(p),
    "read_study of a mapping of numbers": lambda p: b.read_study({"persons": 1, "visits": 2}),
    "read_study of a mapping of other names": lambda p: b.read_study({"patients": p / "file"}),
    "read_study with weeks as text": lambda p: b.read_study(p, curve_weeks=TEXT),
    "Study of texts": lambda p: b.Study.from_frames(TEXT, TEXT),
    "Study of None": lambda p: b.Study.from_frames(None, None),
    "Study of dicts": lambda p: b.Study.from_frames(PERSONS.to_dict(), VISITS.to_dict()),
    "Study swapped": lambda p: b.Study.from_frames(VISITS, PERSONS, reference_group="delayed"),
    "Study, reference as number": lambda p: b.Study.from_frames(PERSONS, VISITS, reference_group=NUMBER),
    "Study, strata as text": lambda p: b.Study.from_frames(PERSONS, VISITS, reference_group="delayed", strata="no"),
    "Study, limits as list": lambda p: b.Study.from_frames(
        PERSONS, VISITS, reference_group="delayed", extra_limits=LIST
    ),
    "Study, column first": lambda p: b.Study.from_frames(with_column("first"), VISITS, reference_group="delayed"),
    "Study, column text": lambda p: b.Study.from_frames(with_column("text"), VISITS, reference_group="delayed"),
    "Study, column in braces": lambda p: b.Study.from_frames(with_column("{0.x}"), VISITS, reference_group="delayed"),
    "Study.observed of text": lambda p: STUDY.observed(TEXT),
    "Study.covariates of a number": lambda p: STUDY.covariates(NUMBER),
    "read_means of None": lambda p: b.read_means(None, {}, reference_group="a"),
    "read_means of nothing": lambda p: b.read_means(p / "no.csv", {"a": 0.0}, reference_group="a"),
    "read_means of a folder": lambda p: b.read_means(p, {"a": 0.0}, reference_group="a"),
    "read_means, weeks as list": lambda p: b.read_means(p / "no.csv", LIST, reference_group="a"),
    "MeansTable of None": lambda p: b.MeansTable.from_frame(None, {}, reference_group="a"),
    "MeansTable of a frame of another kind": lambda p: b.MeansTable.from_frame(FRAME, {"a": 0.0}, reference_group="a"),
    "MeansTable, weeks as None": lambda p: b.MeansTable.from_frame(FRAME, None, reference_group="a"),
    "read_trials of None": lambda p: b.read_trials(None),
    "read_trials of nothing": lambda p: b.read_trials(p / "no.csv"),
    "read_trials of a folder": lambda p: b.read_trials(p),
    "read_trials, surrogate as text": lambda p: b.read_trials(p / "no.csv", surrogate=TEXT),
    "predict_trial of None": lambda p: b.predict_trial(None, 0.1, 0.1),
    "predict_trial of an empty tree": lambda p: b.predict_trial(EMPTY, 0.1, 0.1),
    "predict_trial, effect as text": lambda p: b.predict_trial(EMPTY, TEXT, 0.1),
    "predict_trial, negative error": lambda p: b.predict_trial(EMPTY, 0.1, -0.1),
    "predict_trial, blank name": lambda p: b.predict_trial(EMPTY, 0.1, 0.1, name=""),
    "likelihood_reduction of None": lambda p: b.likelihood_reduction(None),
    "likelihood_reduction, level as text": lambda p: b.likelihood_reduction(CLUSTERS, prob=TEXT),
    "likelihood_reduction, cut-offs as list": lambda p: b.likelihood_reduction(CLUSTERS, cut_offs=LIST),
    "copula_association of None": lambda p: b.copula_association(None, active=1),
    "copula_association of a frame of another kind": lambda p: b.copula_association(FRAME, active=1),
    "copula_association, few samples": lambda p: b.copula_association(FRAME, active=1, samples=2),
    "copula_association, columns as list": lambda p: b.copula_association(FRAME, active=1, columns=LIST),
    "TrialTable of text": lambda p: b.TrialTable.from_frame(TEXT),
    "TrialTable of a frame of another kind": lambda p: b.TrialTable.from_frame(FRAME),
    "TrialTable, one_sided as True": lambda p: b.TrialTable.from_frame(FRAME, one_sided=True),
    "read_adam of None": lambda p: b.read_adam(None),
    "read_adam of nothing": lambda p: b.read_adam(p / "no.toml"),
    "read_adam of an empty file": lambda p: b.read_adam(p / "file"),
    "read_adam, folder as number": lambda p: b.read_adam(p / "file", NUMBER),
    "read_wide of None": lambda p: b.read_wide(None, person="a", start_group="b", drug_start_week={}, pattern="x"),
    "read_wide, outcomes as list": lambda p: b.read_wide(
        FRAME, person="a", start_group="a", drug_start_week={}, outcomes=LIST
    ),
    "read_wide, pattern as number": lambda p: b.read_wide(
        FRAME, person="a", start_group="a", drug_start_week={}, pattern=NUMBER
    ),
    "read_wide, weeks as text": lambda p: b.read_wide(
        FRAME, person="a", start_group="a", drug_start_week=TEXT, outcomes={"x": {"a": 0}}
    ),
    "read_wide, person as number": lambda p: b.read_wide(
        FRAME, person=NUMBER, start_group="a", drug_start_week={}, outcomes={"x": {"a": 0}}
    ),
    "read_pro_act of None": lambda p: b.read_pro_act(None),
    "read_pro_act of nothing": lambda p: b.read_pro_act(p / "nothing"),
    "read_pro_act, outcomes as text": lambda p: b.read_pro_act(p, outcomes=TEXT),
    "read_pro_act, arms as number": lambda p: b.read_pro_act(p, arms=NUMBER),
    "read_pro_act, duplicates as text": lambda p: b.read_pro_act(p, duplicates=TEXT),
    "read_pro_act, days as text": lambda p: b.read_pro_act(p, days_after_last_visit=TEXT),
    "read_clusters of None": lambda p: b.read_clusters(None, active=1),
    "read_clusters of nothing": lambda p: b.read_clusters(p / "no.csv", active=1),
    "ClusterTable of None": lambda p: b.ClusterTable.from_frame(None, active=1),
    "ClusterTable, columns as list": lambda p: b.ClusterTable.from_frame(FRAME, active=1, columns=LIST),
    "single_trial of None": lambda p: b.single_trial(None),
    "single_trial of a frame": lambda p: b.single_trial(FRAME),
    "single_trial, settings as dict": lambda p: b.single_trial(CLUSTERS, {}),
    "single_trial, direction not stated": lambda p: b.single_trial(CLUSTERS),
    "single_trial, level 95": lambda p: b.single_trial(CLUSTERS, level=95.0),
    "single_trial, no draws": lambda p: b.single_trial(CLUSTERS, draws=0),
    "single_trial, difference as text": lambda p: b.single_trial(CLUSTERS, important_difference=TEXT),
    "single_trial, difference below 0": lambda p: b.single_trial(CLUSTERS, important_difference=-1),
    "two_stage of None": lambda p: b.two_stage(None),
    "two_stage of a frame": lambda p: b.two_stage(FRAME),
    "two_stage, form as number": lambda p: b.two_stage(CLUSTERS, NUMBER),
    "two_stage, clusters as text": lambda p: b.two_stage(CLUSTERS, clusters=TEXT),
    "two_stage, prob 95": lambda p: b.two_stage(CLUSTERS, prob=95.0),
    "two_stage, cut-offs as dict": lambda p: b.two_stage(CLUSTERS, cut_offs={}),
    # fit
    "fit swapped": lambda p: b.fit(STUDY, MODEL),
    "fit of None": lambda p: b.fit(None, STUDY),
    "fit of a class": lambda p: b.fit(b.LongitudinalModel, STUDY),
    "fit of a name": lambda p: b.fit("longitudinal", STUDY),
    "fit without data": lambda p: b.fit(MODEL, None),
    "fit of a frame": lambda p: b.fit(MODEL, VISITS),
    "fit of a path": lambda p: b.fit(MODEL, str(p)),
    "fit, settings as dict": lambda p: b.fit(MODEL, STUDY, {"draws": 10}),
    "fit, settings as number": lambda p: b.fit(MODEL, STUDY, 1000),
    "fit, chains in a file": lambda p: b.fit(TOY, STUDY, SETTINGS, chain_dir=p / "file" / "chains"),
    "fit, chains as number": lambda p: b.fit(TOY, STUDY, SETTINGS, chain_dir=NUMBER),
    "fit, an analysis alone": lambda p: b.fit(MODEL, STUDY, SETTINGS, DROPOUT),
    "fit, analyses by name": lambda p: b.fit(MODEL, STUDY, SETTINGS, ("dropout",)),
    "fit, the class of an analysis": lambda p: b.fit(MODEL, STUDY, SETTINGS, (b.PersonArchive,)),
    "fit, an analysis twice": lambda p: b.fit(MODEL, STUDY, SETTINGS, (DROPOUT, DROPOUT)),
    "fit, dropout of another outcome": lambda p: b.fit(
        MODEL, STUDY, SETTINGS, (b.replaced(DROPOUT, {"outcome": "fvc"}),)
    ),
    "fit, ranks of a toy": lambda p: b.fit(TOY, STUDY, SETTINGS, (b.Ranks(outcome="alsfrs_r", week=8, terminal=()),)),
    "fit, programmes of a study": lambda p: b.fit(TOY, STUDY, SETTINGS, [b.LeaveOneOut()]),
    "make_dossier of a number": lambda p: b.make_dossier(NUMBER),
    "make_dossier of a folder without a file": lambda p: b.make_dossier(p),
    "make_dossier, out as number": lambda p: b.make_dossier(p / "file", NUMBER),
    "read_config of None": lambda p: b.read_config(None),
    "read_config of a number": lambda p: b.read_config(NUMBER),
    "read_config of nothing": lambda p: b.read_config(p / "no.toml"),
    "read_config of a folder": lambda p: b.read_config(p),
    "read_config of an empty file": lambda p: b.read_config(p / "file"),
    "sample of a study": lambda p: b.sample(STUDY, SETTINGS),
    "sample of a model to be built": lambda p: b.sample(MODEL, SETTINGS),
    "sample of None": lambda p: b.sample(None, SETTINGS),
    "sample, settings as dict": lambda p: b.sample(TOY.build(STUDY), {"draws": 10}),
    "sample without settings": lambda p: b.sample(TOY.build(STUDY), None),
    "prior_predictive of a study": lambda p: b.prior_predictive(STUDY, MODEL, seed=1),
    "prior_predictive, seed as text": lambda p: b.prior_predictive(TOY, STUDY, seed=TEXT),
    "prior_predictive, negative seed": lambda p: b.prior_predictive(TOY, STUDY, seed=-1),
    "prior_predictive, no draws": lambda p: b.prior_predictive(TOY, STUDY, seed=1, draws=0),
    "prior_table swapped": lambda p: b.prior_table(STUDY, MODEL),
    "prior_table of None": lambda p: b.prior_table(None, None),
    "prior_table without data": lambda p: b.prior_table(MODEL, None),
    "replaced of None": lambda p: b.replaced(None, {}),
    "replaced by a list": lambda p: b.replaced(b.alsfrs_r(), LIST),
    "replaced by None": lambda p: b.replaced(b.alsfrs_r(), None),
    "publish outside a model": lambda p: b.publish("drug_effect", 1.0),
    "publish of an unknown name": lambda p: b.publish("nonsense", 1.0),
    "publish of a number as name": lambda p: b.publish(NUMBER, 1.0),
    # the archive
    "load of None": lambda p: b.load(None),
    "load of a folder": lambda p: b.load(p),
    "load of nothing": lambda p: b.load(p / "no.nc"),
    "load of a text file": lambda p: b.load(p / "file"),
    "load of a tree": lambda p: b.load(NAN),
    "save into nothing": lambda p: b.save(NAN, p / "nothing" / "x.nc"),
    "save onto a folder": lambda p: b.save(NAN, p),
    "save to None": lambda p: b.save(NAN, None),
    "save swapped": lambda p: b.save(p / "x.nc", NAN),
    "save of a dataset": lambda p: b.save(NOT_A_TREE, p / "x.nc"),
    "save of an empty tree": lambda p: b.save(EMPTY, p / "x.nc"),
    "require of None": lambda p: b.require(None, ["drug_effect"]),
    "require of a number": lambda p: b.require(NAN, NUMBER),
    "require of what is not there": lambda p: b.require(NAN, ["drug_effect"]),
    # from the posterior on
    "convergence of None": lambda p: b.convergence(None),
    "convergence of a path": lambda p: b.convergence(str(p)),
    "convergence of an empty tree": lambda p: b.convergence(EMPTY),
    "convergence of draws that are NaN": lambda p: b.convergence(NAN),
    "analysis_results of None": lambda p: b.analysis_results(None),
    "analysis_results, settings as dict": lambda p: b.analysis_results(NAN, settings={"interval": 0.9}),
    "report of draws that are NaN": lambda p: b.report(NAN),
    "report of None": lambda p: b.report(None),
    "report of a study": lambda p: b.report(STUDY),
    "report of an empty tree": lambda p: b.report(EMPTY),
    "report of a folder": lambda p: b.report(p),
    "report, settings as dict": lambda p: b.report(NAN, settings={"interval": 0.9}),
    "report, settings of a sampler": lambda p: b.report(NAN, settings=SETTINGS),
    "report, settings as out": lambda p: b.report(NAN, b.ReportSettings()),
    "report onto a file": lambda p: b.report(DRAWN, p / "file"),
    "predict without posterior": lambda p: b.predict(MODEL, None, STUDY, [4], seed=1),
    "predict swapped": lambda p: b.predict(NAN, MODEL, STUDY, [4], seed=1),
    "predict of a study as model": lambda p: b.predict(STUDY, NAN, STUDY, [4], seed=1),
    "predict of a path": lambda p: b.predict(MODEL, NAN, str(p), [4], seed=1),
    "predict, week as number": lambda p: b.predict(MODEL, NAN, STUDY, 4, seed=1),
    "predict, weeks as text": lambda p: b.predict(MODEL, NAN, STUDY, ["one"], seed=1),
    "predict, no weeks": lambda p: b.predict(MODEL, NAN, STUDY, [], seed=1),
    "predict, seed as text": lambda p: b.predict(MODEL, NAN, STUDY, [4], seed=TEXT),
    "predict, no draws": lambda p: b.predict(MODEL, NAN, STUDY, [4], seed=1, draws=0),
    "predict of an empty tree": lambda p: b.predict(MODEL, EMPTY, STUDY, [4], seed=1),
    "predict_events without posterior": lambda p: b.predict_events(MODEL, None, STUDY, [4], seed=1),
    "predict_events of a model without events": lambda p: b.predict_events(MODEL, NAN, STUDY, [4], seed=1),
    "draw_person_terms of a frame": lambda p: b.draw_person_terms(MODEL, FRAME, STUDY, seed=1),
    "draw_person_terms without data": lambda p: b.draw_person_terms(MODEL, NAN, None, seed=1),
    "dropout_sensitivity without posterior": lambda p: b.dropout_sensitivity(MODEL, None, STUDY, "x", 4, seed=1),
    "dropout_sensitivity of another outcome": lambda p: b.dropout_sensitivity(MODEL, NAN, STUDY, "x", 4, seed=1),
    "dropout_sensitivity, week as text": lambda p: b.dropout_sensitivity(MODEL, NAN, STUDY, "alsfrs_r", TEXT, seed=1),
    "dropout_sensitivity of a frame": lambda p: b.dropout_sensitivity(MODEL, NAN, FRAME, "alsfrs_r", 4, seed=1),
    "rank_analyses of a frame": lambda p: b.rank_analyses(FRAME, "x", 4, terminal=(), good_direction="up"),
    "rank_analyses of another outcome": lambda p: b.rank_analyses(STUDY, "x", 4, terminal=(), good_direction="up"),
    "rank_analyses, terminal as number": lambda p: b.rank_analyses(
        STUDY, "alsfrs_r", 4, terminal=NUMBER, good_direction="up"
    ),
    "rank_analyses, direction sideways": lambda p: b.rank_analyses(
        STUDY, "alsfrs_r", 4, terminal=(), good_direction="sideways"
    ),
    "simulate into a file": lambda p: b.simulate(p / "file", seed=1),
    "simulate to None": lambda p: b.simulate(None, seed=1),
    "simulate, seed as text": lambda p: b.simulate(p / "out", seed=TEXT),
    "simulate, half a trial": lambda p: b.simulate(p / "out", seed=1, trials=0.5),
    "simulate, fewer than nobody": lambda p: b.simulate(p / "out", seed=1, n_early=-5),
    "simulate, truth as dict": lambda p: b.simulate(p / "out", seed=1, truth={}),
    "simulate_trials of a class": lambda p: b.simulate_trials(b.LongitudinalModel, keep=[KEPT]),
    "simulate_trials, nothing kept": lambda p: b.simulate_trials(MODEL),
    "simulate_trials, kept as dict": lambda p: b.simulate_trials(MODEL, keep={"variable": "difference"}),
    "simulate_trials, truth as dict": lambda p: b.simulate_trials(MODEL, keep=[KEPT], truth={"elasticity": 1}),
    "simulate_trials, half a fit": lambda p: b.simulate_trials(MODEL, keep=[KEPT], fits=0.5),
    "simulate_trials, no worker": lambda p: b.simulate_trials(MODEL, keep=[KEPT], workers=0),
    "simulate_trials, log a folder": lambda p: b.simulate_trials(MODEL, keep=[KEPT], log=p),
    "simulate_trials, executor as number": lambda p: b.simulate_trials(MODEL, keep=[KEPT], executor=NUMBER),
    "simulate_trials, settings with a seed": lambda p: b.simulate_trials(
        MODEL, keep=[KEPT], settings=b.NutsSettings(seed=1)
    ),
    "simulate_trials, interval as text": lambda p: b.simulate_trials(MODEL, keep=[KEPT], interval=TEXT),
    "plan_trial, grid as dict": lambda p: b.plan_trial(grid={"persons": [60]}, endpoints=[PLANNED]),
    "plan_trial, no endpoint": lambda p: b.plan_trial(grid=GRID, endpoints=[]),
    "plan_trial, endpoint as text": lambda p: b.plan_trial(grid=GRID, endpoints=TEXT),
    "plan_trial, a class as model": lambda p: b.plan_trial(grid=GRID, endpoints=[PLANNED], model=b.LongitudinalModel),
    "plan_trial, half a trial": lambda p: b.plan_trial(grid=GRID, endpoints=[PLANNED], trials=0.5),
    "plan_trial, a power of 2": lambda p: b.plan_trial(grid=GRID, endpoints=[PLANNED], targets=[2]),
    "plan_trial, log a folder": lambda p: b.plan_trial(grid=GRID, endpoints=[PLANNED], log=p),
    "LeavingRule, deaths as number": lambda p: b.LeavingRule(deaths=NUMBER),
    "LeavingRule, tolerance as text": lambda p: b.LeavingRule(tolerance_weeks=TEXT),
    "Evidence.select of a number": lambda p: _evidence().select(NUMBER),
    "Evidence.select of another column": lambda p: _evidence().select({"nonsense": 1}),
}
"""Name to a function of a folder that holds an empty file named `file`."""

VALUES = {
    "ModelSensitivity, forms as number": lambda: b.ModelSensitivity(forms=NUMBER),
    "Dropout, before the start": lambda: b.Dropout(outcome="alsfrs_r", week=-1),
    "Dropout, unknown": lambda: b.Dropout(outcome="alsfrs_r", week=8, delta=(0, 1)),
    "Ranks, no outcome": lambda: b.Ranks(week=8),
    "LeaveOneOut, unknown": lambda: b.LeaveOneOut(on=False),
    "NutsSettings, many": lambda: b.NutsSettings(draws="many"),
    "NutsSettings, none": lambda: b.NutsSettings(draws=0),
    "NutsSettings, too many": lambda: b.NutsSettings(draws=sys.maxsize),
    "NutsSettings, unknown": lambda: b.NutsSettings(drawz=10),
    "ReportSettings, 95": lambda: b.ReportSettings(interval=95),
    "LongitudinalModel, none": lambda: b.LongitudinalModel(outcomes=()),
    "LongitudinalModel, list as preset": lambda: b.LongitudinalModel(outcomes=({"preset": []},)),
    "LongitudinalModel, number": lambda: b.LongitudinalModel(outcomes=NUMBER),
    "VisitModel, none": lambda: b.VisitModel(outcomes=()),
    "JointEventModel, none": lambda: b.JointEventModel(outcomes=(b.alsfrs_r(),), events=()),
    "Outcome, slash": lambda: b.replaced(b.alsfrs_r(), {"name": "a/b"}),
    "Outcome, blank": lambda: b.replaced(b.alsfrs_r(), {"name": " "}),
    "Event, slash": lambda: b.Event(name="a/b"),
    "Association, nonsense": lambda: b.Association(outcome="x", form="y"),
    "OneStageModel, negative": lambda: b.OneStageModel(effect_scale=-1, patient_sd=1),
    "TrialLevelModel, none": lambda: b.TrialLevelModel(),
    "PublishedMeansModel, preset": lambda: b.PublishedMeansModel(outcomes=({"preset": {}},)),
    "SharedRateModel, unknown": lambda: b.SharedRateModel(nonsense=1),
    "SharedRateModel, borrowing by another name": lambda: b.SharedRateModel(borrowing="robust"),
    "SharedRateModel, borrowing from nobody": lambda: b.SharedRateModel(borrowing={"type": "robust_mixture"}),
}
"""Values that pydantic refuses as its users expect: `ValidationError`."""


def _evidence():
    from bayesmodels.study.evidence import load

    return load("valor_visits")
