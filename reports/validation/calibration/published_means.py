"""Simulation-based calibration of `PublishedMeansModel`: truths from the prior, means from the model, refits.

The table's layout (arms, visits, standard errors) is VALOR's; the estimates are simulated. One model is compiled and
handed new data for every refit.

    python -m validation.calibration.published_means reports/validation/calibration/PublishedMeansModel
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayesmodels.files import write_whole
from bayesmodels.fitting import compile_model
from bayesmodels.models.published_means.covariance import row_covariance
from bayesmodels.models.published_means.layout import arms_of, cells_of, rows_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.valor import valor_means_model
from bayesmodels.reporting.drawing import png_bytes
from bayesmodels.safe_labels import table_csv
from bayesmodels.study import MeansTable
from bayesmodels.study.evidence import means_table
from validation.calibration.ranks import ecdf_figure, ranks_of, uniformity_table

TUNE, DRAWS, THIN = 600, 1_000, 10
CHAINS = 2
KEPT = CHAINS * DRAWS // THIN
FITS = {"proportional_slowing": 300, "ratio_power": 200}
"""Simulated fits by model of the effect on function."""

SEED = 6
COMMAND = "python -m validation.calibration.published_means reports/validation/calibration/PublishedMeansModel"


@dataclass(frozen=True)
class Calibration:
    """Ranks of simulated truths.

    Attributes
    ----------
    ranks : DataFrame
        One row a fit, one column a free parameter (`name[stratum]` where there is one per stratum).
    n_draws : int
        Thinned draws among which each truth was ranked.
    fits : DataFrame
        fit, divergences, min_ess_share (smallest bulk effective share of the thinned draws).
    """

    ranks: pd.DataFrame
    n_draws: int
    fits: pd.DataFrame


def simulate_estimates(
    model: PublishedMeansModel, data: MeansTable, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Truths from the prior and estimates from the model, with NumPy: an independent route to the same distribution.

    Returns
    -------
    truths : dict of str to array
        Free parameters, shape () or (stratum,).
    estimates : dict of str to array
        `estimate_<outcome>`, in the table's order.
    """
    arms = arms_of(data)
    drawn = {p.name: p.draws(arms.strata, 1, rng) for k in model.outcomes for p in k.parameters()}
    values = {name: value if value.ndim == 2 else value[:, None] for name, value in drawn.items()}
    estimates = {}
    for outcome in model.outcomes:
        rows = rows_of(data.frame[data.frame["outcome"] == outcome.name], arms, model.mixture)
        covariance, _ = row_covariance(outcome.spread, rows)
        mean = (outcome.mean(np, cells_of(rows, arms, arms.started), values) @ rows.weights.T)[0]
        estimates[f"estimate_{outcome.name}"] = rng.multivariate_normal(mean, covariance, method="cholesky")
    return {name: value[0] for name, value in drawn.items()}, estimates


def calibrate(model: PublishedMeansModel, data: MeansTable, fits: int, seed: int) -> Calibration:
    """Simulate, refit without compiling again, and rank the truths.

    Parameters
    ----------
    model : PublishedMeansModel
    data : MeansTable
        Layout and standard errors; its estimates are not used.
    fits : int
    seed : int
    """
    import nutpie
    from arviz_stats.base import array_stats

    pm_model = model.build(data)
    compiled = compile_model(pm_model)
    strata = arms_of(data).strata
    ranks, notes = [], []
    for number, stream in enumerate(np.random.SeedSequence(seed).spawn(fits)):
        rng = np.random.default_rng(stream)
        truths, estimates = simulate_estimates(model, data, rng)
        tree = nutpie.sample(
            compiled.with_data(**estimates), draws=DRAWS, tune=TUNE, chains=CHAINS, cores=1,
            seed=int(rng.integers(2**31)), progress_bar=False, save_warmup=False,
        )  # fmt: skip
        row, shares = {}, []
        for name, truth in truths.items():
            draws = tree["posterior"][name].to_numpy()[:, ::THIN]
            for place, label in enumerate(strata if truth.ndim else ("",)):
                own = draws[..., place] if truth.ndim else draws
                value = np.atleast_1d(truth)[place]
                row[f"{name}[{label}]" if label else name] = int(ranks_of([value], own.reshape(1, -1))[0])
                shares.append(float(array_stats.ess(own, chain_axis=0, draw_axis=1)) / own.size)
        ranks.append(row)
        divergences = int(tree["sample_stats"]["diverging"].sum())
        notes.append({"fit": number, "divergences": divergences, "min_ess_share": min(shares)})
    return Calibration(pd.DataFrame(ranks), KEPT, pd.DataFrame(notes))


def run_calibration(out: Path) -> pd.DataFrame:
    """Calibrate the main VALOR model and the one linked to NfL; write ranks, tables, figures, README and manifest.

    A model whose ranks are in the folder already is not fitted again.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = means_table("valor_2021", outcomes=("nfl_plasma", "alsfrs_r"))
    for name, fits in FITS.items():
        if not (out / f"ranks_{name}.csv").exists():
            found = calibrate(valor_means_model(name), data, fits, SEED)
            write_whole(out / f"fits_{name}.csv", table_csv(found.fits.round(4)))
            write_whole(out / f"ranks_{name}.csv", table_csv(found.ranks))
    tables = []
    for name in FITS:
        ranks, fits = (pd.read_csv(out / f"{kind}_{name}.csv") for kind in ("ranks", "fits"))
        write_whole(out / f"ecdf_{name}.png", png_bytes(ecdf_figure(ranks, KEPT), dpi=110))
        divergent = int((fits["divergences"] > 0).sum())
        table = uniformity_table(ranks, KEPT).assign(model=name, fits=len(ranks), divergent_fits=divergent)
        tables.append(table.assign(median_ess_share=fits["min_ess_share"].median()))
    result = pd.concat(tables, ignore_index=True)
    settings = {"tune": TUNE, "draws": DRAWS, "thin": THIN, "chains": CHAINS, "fits": FITS, "seed": SEED}
    manifest = {"command": COMMAND, "settings": settings, "data_digest": data.digest}
    manifest["all_inside"] = bool(result["inside"].all())
    write_whole(out / "uniformity.csv", table_csv(result.round(4)))
    write_whole(out / "manifest.json", json.dumps(manifest, indent=2).encode())
    write_whole(out / "README.md", readme(result).encode())
    return result


def readme(result: pd.DataFrame) -> str:
    """Say in Markdown what was done and which parameters lie inside their band."""
    lines = [
        "# Simulation-based calibration of PublishedMeansModel",
        "",
        f"Made by `{COMMAND}`. For each of two VALOR models (functional effect as proportional slowing, and linked "
        "to NfL as rate x ratio^theta) truths are drawn from the prior, published means to week 28 are simulated "
        f"from the model, and the model is refitted without compiling again ({CHAINS} chains of {DRAWS} draws after "
        f"{TUNE}, every {THIN}th kept). Ranks of the truths among the kept draws should be uniform; bands for their "
        "ECDF hold with 95 % for all points and parameters of a model together (Bonferroni over parameters, "
        "Säilynoja et al. 2022 over points).",
        "",
        "| Model | Parameter | Inside the band | Largest deviation of the ECDF | Mean rank |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.model} | {row.parameter} | {'yes' if row.inside else 'NO'} | {row.largest:+.3f} | "
        f"{row.mean_rank:.3f} |"
        for row in result.itertuples()
    ]
    notes = [
        f"{model}: {part['fits'].iloc[0]} fits, {part['divergent_fits'].iloc[0]} with a divergent draw, smallest "
        f"effective share of the kept draws {part['median_ess_share'].iloc[0]:.2f} in the median fit."
        for model, part in result.groupby("model", sort=False)
    ]
    return "\n".join([*lines, "", *notes, ""])


if __name__ == "__main__":
    print(run_calibration(Path(sys.argv[1])).to_string(index=False))
