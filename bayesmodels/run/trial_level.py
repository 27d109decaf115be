"""The batch job from a table of trials to the finished report of the trial rung."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.run.config import TRIAL_LEVEL, TRIALS_TABLE, config_hash, read_config, slug
from bayesmodels.run.data import load_data
from bayesmodels.run.folder import RunFolder
from bayesmodels.run.job import RunResult, Tell, run_in, to_stderr

ALS = "als"
"""What the command calls the packaged table."""


@dataclass(frozen=True)
class TrialLevelJob:
    """What the command was asked for; None where an option was not given.

    Parameters
    ----------
    table : str
        A .csv or .parquet file, or "als" for the packaged ALS trials.
    surrogate_scale, outcome_scale : float or None
        Typical spread of each true effect between trials; required with a table of one's own.
    surrogate_good, outcome_good : "up", "down" or None
    margin : float or None
        Minimal important difference of the outcome effect.
    within_correlation : float
        Of a trial's two estimates, where the table leaves it blank.
    one_sided : bool
        Whether rows with one of the two effects enter.
    needed : bool
        Whether to foretell what more programmes would say.
    draws, tune, chains : int
    seed : int or None
    """

    table: str
    surrogate_scale: float | None = None
    outcome_scale: float | None = None
    surrogate_good: str | None = None
    outcome_good: str | None = None
    margin: float | None = None
    within_correlation: float = 0.0
    one_sided: bool = False
    needed: bool = False
    draws: int = 2000
    tune: int = 1000
    chains: int = 4
    seed: int | None = None

    def sections(self) -> dict[str, dict[str, Any]]:
        """The configuration that says the same.

        Raises
        ------
        BadInput
            A scale is missing, or a good direction is given for the packaged table.
        """
        data: dict[str, Any] = {"table": TRIALS_TABLE if self.table == ALS else str(Path(self.table).resolve())}
        scales = {"surrogate_scale": self.surrogate_scale, "outcome_scale": self.outcome_scale}
        goods = {"surrogate_good": self.surrogate_good, "outcome_good": self.outcome_good}
        if self.table == ALS:
            from bayesmodels.study.evidence.als_trials import SCALES

            given = [f"--{name.replace('_', '-')}" for name, good in goods.items() if good is not None]
            if given:
                raise BadInput(f"{', '.join(given)}: not used with the packaged ALS table, whose directions are known")
            data["name"] = "ALS trials"
            scales = {k: SCALES[k.removesuffix("_scale")] if v is None else v for k, v in scales.items()}
        else:
            missing = [f"--{name.replace('_', '-')}" for name, value in scales.items() if value is None]
            if missing:
                raise BadInput(
                    f"{', '.join(missing)}: expected the typical spread of the true effects between trials, stated "
                    "beforehand and never taken from the table"
                )
            data |= {name: good for name, good in goods.items() if good is not None}
            data["name"] = Path(self.table).stem
        data["one_sided"] = "used" if self.one_sided else "unused"
        sampling: dict[str, Any] = {"draws": self.draws, "tune": self.tune, "chains": self.chains}
        sampling["target_accept"] = TARGET_ACCEPT
        if self.seed is not None:
            sampling["seed"] = self.seed
        report: dict[str, Any] = {"trials_needed": self.needed}
        if self.margin is not None:
            report["margin"] = self.margin
        model = {"type": TRIAL_LEVEL, **scales, "within_correlation": self.within_correlation}
        return {"data": data, "model": model, "sampling": sampling, "report": report}


TARGET_ACCEPT = 0.95
"""Few trials leave the spread between them near zero possible; small steps follow it there without divergences."""


def run_trial_level(
    job: TrialLevelJob, out: str | Path, *, resume: bool = False, again: bool = False, tell: Tell = to_stderr
) -> RunResult:
    """Fit a table of trials and report it in `out` itself.

    Parameters
    ----------
    job : TrialLevelJob
    out : str or Path
        Folder of this run; made if it is not there.
    resume, again : bool
        As of `run`.
    tell : callable
        Told one line a phase.

    Raises
    ------
    BadInput
        Every problem of the table or of the options.
    RunExists
        A run is there already, or another process works there.
    """
    import tempfile

    text = as_toml(job.sections())
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "config.toml"
        path.write_text(text, encoding="utf-8")
        try:
            config = read_config(path)
        except BadConfig as error:
            raise BadConfig(_as_option(problem) for problem in error.problems) from None
    data = load_data(config)
    name = f"{slug(config.name)}-{config_hash(config, [data.digest])}"
    return run_in(RunFolder(Path(out)), config, data, name, resume=resume, again=again, tell=tell)


def _as_option(problem: str) -> str:
    """A problem of the configuration under the name of the option that it came from."""
    return re.sub(r"^config\.toml: \[\w+\] (\w+)", lambda key: f"--{key[1].replace('_', '-')}", problem)


def as_toml(sections: dict[str, dict[str, Any]]) -> str:
    """Sections of strings, numbers and booleans as TOML."""
    lines = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)
