"""Folders that a dossier reads, made by hand: runs with known draws, and studies of trials known in closed form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr
from fake import fake_posterior, one_outcome, part_of
from scipy.stats import norm

from bayesmodels.posterior.archive import save
from bayesmodels.run.folder import CONFIG, POSTERIOR, RunFolder
from bayesmodels.trials.kept import Rule, fit_rows
from bayesmodels.trials.operating import rows_table

MODEL = {
    "type": "longitudinal",
    "pooling": "partial",
    "outcomes": [{"name": "alsfrs_r", "unit": "points", "limits": [0, 48], "rate": {"sd": 0.5, "source": "a"}}],
}
PRIORS = [
    {"outcome": "alsfrs_r", "parameter": "mean rate", "stratum": "all", "prior": "Normal(-1, 0.5)",
     "unit": "points per month", "source": "placebo courses"},
    {"outcome": "alsfrs_r", "parameter": "effect", "stratum": "all", "prior": "Normal(0, 0.5)",
     "unit": "points per month", "source": "assumption"},
    {"outcome": "nfl_plasma", "parameter": "effect", "stratum": "all", "prior": "Normal(0, 1)", "unit": "ln",
     "source": "assumption"},
]  # fmt: skip
PERSONS = 108
GRID = (np.arange(1000) + 0.5) / 1000
AT = {"outcome": "alsfrs_r", "contrast": "early - delayed", "stratum": "all", "week": 28.0}


def made_up(verdict="ok", digest="0123456789abcdef", model=MODEL, small=True, **attrs) -> xr.DataTree:
    """The made-up posterior (`fake`), with what a run and this version add; small: ALSFRS-R in all persons only."""
    tree = fake_posterior(verdict=verdict)
    tree = one_outcome(tree) if small else part_of(tree, stratum=["faster", "all"])
    data = json.loads(tree.attrs["data"])
    data["digest"] = digest
    data["counts"] |= {"n_persons": PERSONS, "persons": {"early": {"all": 72}, "delayed": {"all": 36}}}
    data["counts"] |= {"events": {"death": 3, "none": 105}, "missing_visits": {"alsfrs_r": 4}}
    tree.attrs |= {
        "model": json.dumps(model),
        "data": json.dumps(data),
        "priors": json.dumps(PRIORS),
        "machine": json.dumps({"processor": "made up"}),
        **attrs,
    }
    return tree


def borrowed(tree: xr.DataTree) -> xr.DataTree:
    """The same (small) posterior of a model that borrows from the trial `cohort`."""
    for group in ("posterior", "prior"):
        draws = tree[group].to_dataset()
        rate = xr.zeros_like(draws["population_rate"]).fillna(0.0) + draws["gain"] - 1.0
        drift = (0.1 - 0.2 * rate).expand_dims(external_trial=["cohort"], axis=-1)
        tree[group] = xr.DataTree(draws.assign(population_rate=rate, trial_drift=drift))
    model, data = json.loads(tree.attrs["model"]), json.loads(tree.attrs["data"])
    data["counts"]["external"] = {"cohort": {"persons": 60, "informative": {"alsfrs_r": {"all": 40}}}}
    tree.attrs["model"] = json.dumps(
        model | {"borrowing": {"type": "commensurate", "trial": "ours", "tau": {"sd": 0.5}}}
    )
    tree.attrs["data"] = json.dumps(data)
    return tree


def write_run(path: Path, tree: xr.DataTree, config: str = "[report]\ninterval = 0.95\n") -> Path:
    """The folder of a finished run."""
    folder, name = RunFolder(path), "made-up-00000000"
    folder.begin("run", name, data=json.loads(tree.attrs["data"])["digest"], phase="finished")
    folder.write(CONFIG, config.encode())
    tree.attrs["run"] = name
    folder.enter([POSTERIOR])
    save(tree, folder.posterior)
    folder.confirm([POSTERIOR])
    folder.note(status="finished")
    return path


def shifted(tree: xr.DataTree, by: float) -> xr.DataTree:
    """The same posterior with every difference moved."""
    moved = tree.copy()
    posterior = tree["posterior"].to_dataset()
    moved["posterior"] = xr.DataTree(posterior.assign(difference=posterior["difference"] + by))
    return moved


def write_study(
    path: Path, effects, *, se=0.8, rule=None, model=MODEL, truth=None, fits=None, name="a study", strata=False
) -> Path:
    """The folder of `bayesmodels trials`, each trial a normal estimate with standard error `se` and a flat prior.

    `effects`: the true difference of each trial; `rule`: one, or a tuple of rules.
    """
    rules = rule if isinstance(rule, tuple) else (rule or Rule(name="function", variable="difference", at=AT),)
    records = []
    for number, effect in enumerate(effects):
        mean = np.random.default_rng(number).normal(effect, se)
        draws = mean + se * norm.ppf(GRID)
        labels = {dim: [label] for dim, label in AT.items()}
        values = xr.Dataset(
            {"difference": (("draw", *labels), draws.reshape(-1, 1, 1, 1, 1))},
            coords=labels | {"good_direction": ("outcome", ["up"])},
        )
        quantity = "difference[alsfrs_r, early - delayed, all, week 28]"
        rows = fit_rows(values, [], rules, {quantity: float(effect)}, 0.95)
        rows = [{**rows[0], "kind": "quantity", "rule": None, "success": None, "favourable": None}, *rows]
        facts = {"status": "ok", "why": None, "seed": number, "converged": number != 0, "verdict": "ok"}
        records.append({"fit": number, "cpu_seconds": 1.0, "seconds": 1.0, **facts, "rows": rows})
    path.mkdir(parents=True)
    rows_table(records, tuple(AT)).to_parquet(path / "rows.parquet", index=False)
    plan = {
        "model": model,
        "design": {"start_groups": [{"name": "early", "drug_start_week": 0.0, "faster": 40, "slower": 32},
                                    {"name": "delayed", "drug_start_week": 28.0, "faster": 20, "slower": 16}]},
        "truth": truth or {"type": "generator", "drug_effect": True, "exits": True, "changes": {}},
        "study": {"strata": strata},
    }  # fmt: skip
    manifest = {
        "kind": "trials", "name": name, "digest": "abcd1234", "planned": fits or len(effects), "seed": 7,
        "interval": 0.95, "keep": [], "rules": [json.loads(rule.model_dump_json()) for rule in rules],
        "sampling": {"draws": 1000},
        "plan": plan, "truths": {}, "status": "finished",
    }  # fmt: skip
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "config.toml").write_text("[trials]\n")
    return path


NO_EFFECT = {"type": "generator", "drug_effect": False, "exits": True, "changes": {}}

CONFIG_TOML = """
[dossier]
name = "Dossier of a made-up trial"
run = "main"
question = "Does an early start help?"
interim = "None"

[estimand]
population = "All as randomised"
endpoint = "ALSFRS-R at week 28"

[[estimand.intercurrent_events]]
event = "death"
strategy = "composite"
why = "worst value"

[[success]]
name = "function"
variable = "difference"
at = {outcome = "alsfrs_r", stratum = "all", week = 28}
why = "what persons can do"

[[success]]
name = "a point"
variable = "difference"
at = {outcome = "alsfrs_r", stratum = "all", week = 28}
beyond = 1
probability = 0.9

[[prior]]
outcome = "alsfrs_r"
why = "earlier trials"

[[prior]]
parameter = "effect"
why = "centred at no effect"

[[sensitivity]]
name = "less"
run = "less"

[[trials]]
folder = "effect"
name = "planned effect"

[[trials]]
folder = "nothing"
name = "no effect"

[[trials]]
folder = "varies"
name = "prior"
"""


def write_evidence(folder: Path) -> Path:
    """Everything that `CONFIG_TOML` names, and the file itself as ``dossier.toml``."""
    folder.mkdir(exist_ok=True)
    write_run(folder / "main", made_up(small=False))
    changed = json.loads(json.dumps(MODEL))
    changed["outcomes"][0]["rate"] = {"sd": 1.0, "source": "b"}
    write_run(folder / "less", shifted(made_up(model=changed), -1.0))
    write_study(folder / "effect", np.full(60, 2.5), name="effect", strata=True)
    write_study(folder / "nothing", np.zeros(60), truth=NO_EFFECT, name="nothing", strata=True)
    truths = np.random.default_rng(0).normal(0, 2, 60)
    write_study(folder / "varies", truths, truth={"type": "prior"}, name="varies", strata=True)
    (folder / "dossier.toml").write_text(CONFIG_TOML)
    return folder
