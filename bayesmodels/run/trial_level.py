"""The batch job from a table of trials to the report of the trial level: options of a command as a configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.run.config import TRIAL_LEVEL, Config, config_of
from bayesmodels.run.job import RunResult, Tell, run, to_stderr
from bayesmodels.study.checks.labels import as_toml

ALS = "als"
"""What the command calls the packaged table."""

TARGET_ACCEPT = 0.95
"""Few trials leave the spread between them near zero possible; small steps follow it there without divergences."""


def run_trial_level(
    table: str,
    out: str | Path,
    *,
    surrogate_scale: float | None = None,
    outcome_scale: float | None = None,
    surrogate_good: str | None = None,
    outcome_good: str | None = None,
    surrogate_measure: str | None = None,
    outcome_measure: str | None = None,
    surrogate: str | None = None,
    outcome: str | None = None,
    margin: float | None = None,
    new_effect: float | None = None,
    new_se: float | None = None,
    within_correlation: float = 0.0,
    one_sided: bool = False,
    needed: bool = False,
    draws: int = 2000,
    tune: int = 1000,
    chains: int = 4,
    seed: int | None = None,
    resume: bool = False,
    again: bool = False,
    tell: Tell = to_stderr,
) -> RunResult:
    """Fit a table of trials and report it in `out` itself.

    Parameters
    ----------
    table : str
        A .csv or .parquet file, or "als" for the packaged ALS trials.
    out : str or Path
        Folder of this run; made if it is not there.
    surrogate_scale, outcome_scale : float, optional
        Typical spread of each true effect between trials; required with a table of one's own.
    surrogate_good, outcome_good : "up" or "down", optional
    surrogate_measure, outcome_measure : str, optional
        Effect measures; by default mean differences.
    surrogate, outcome : str, optional
        Names of the endpoints on the page.
    margin : float, optional
        Minimal important difference of the outcome effect.
    new_effect, new_se : float, optional
        Surrogate effect of a new trial, whose outcome effect is predicted, and its standard error; both or neither.
    within_correlation : float
        Of a trial's two estimates, where the table leaves it blank.
    one_sided : bool
        Whether rows with one of the two effects enter.
    needed : bool
        Whether to simulate what more programmes would say.
    draws, tune, chains : int
    seed : int, optional
    resume, again : bool
        As of `run`.
    tell : callable
        Told one line per phase.

    Raises
    ------
    BadInput
        Every problem of the table or of the options.
    RunExists
        A run is there already, or another process works there.
    """
    scales = {"surrogate_scale": surrogate_scale, "outcome_scale": outcome_scale}
    goods = {"surrogate_good": surrogate_good, "outcome_good": outcome_good}
    goods |= {"surrogate_measure": surrogate_measure, "outcome_measure": outcome_measure}
    goods |= {"surrogate": surrogate, "outcome": outcome}
    goods = {name: good for name, good in goods.items() if good is not None}
    data: dict[str, Any] = {"table": str(Path(table).resolve()), "name": Path(table).stem}
    if table == ALS:
        from bayesmodels.study.evidence.als_trials import SCALES

        if goods:
            raise BadInput(f"{_options(goods)}: not used with the packaged ALS table, where they are known")
        data = {"table": "als_trials", "name": "ALS trials"}
        scales = {k: SCALES[k.removesuffix("_scale")] if v is None else v for k, v in scales.items()}
    if (new_effect is None) != (new_se is None):
        raise BadInput("--new-effect, --new-se: expected both or neither; --new-se 0 where the effect is known")
    new = {} if new_effect is None else {"new_trial": {"surrogate_effect": new_effect, "surrogate_se": new_se}}
    missing = [name for name, value in scales.items() if value is None]
    if missing:
        raise BadInput(
            f"{_options(missing)}: expected the typical spread of the true effects between trials, stated beforehand "
            "and never taken from the table"
        )
    sampling = {"draws": draws, "tune": tune, "chains": chains, "target_accept": TARGET_ACCEPT}
    config = _config(
        {
            "data": data | goods | {"one_sided": "used" if one_sided else "unused"},
            "model": {"type": TRIAL_LEVEL, **scales, "within_correlation": within_correlation},
            "sampling": sampling | ({} if seed is None else {"seed": seed}),
            "report": {"trials_needed": needed} | ({} if margin is None else {"margin": margin}) | new,
        }
    )
    return run(config, out, in_place=True, resume=resume, again=again, tell=tell)


def _config(sections: dict[str, dict[str, Any]]) -> Config:
    """The configuration of these sections; its problems are told under the names of the options."""
    try:
        return config_of(Path("config.toml"), _text(sections), sections)
    except BadConfig as error:
        raise BadConfig(_as_option(problem) for problem in error.problems) from None


def _options(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def _as_option(problem: str) -> str:
    """A problem of the configuration under the name of the option that it came from."""
    return re.sub(r"^config\.toml: \[\w+\] (\w+)", lambda key: f"--{key[1].replace('_', '-')}", problem)


def _text(sections: dict[str, dict[str, Any]]) -> str:
    """Sections of strings, numbers, booleans and tables of these as TOML."""
    lines = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    """A string, number, boolean or table of these as TOML."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_value(each)}' for key, each in value.items())}}}"
    return as_toml(value) if isinstance(value, str) else json.dumps(value)
