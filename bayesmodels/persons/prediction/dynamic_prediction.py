"""In-sample accuracy of landmark predictions: events of the persons fitted, predicted from the visits before a week."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.persons.prediction.predict_events import predict_events
from bayesmodels.persons.prepared import event_names
from bayesmodels.statistics import calibration, prediction_accuracy
from bayesmodels.statistics.accuracy import NoFollowUp
from bayesmodels.study import Study
from bayesmodels.vocabulary import EVENT_GROUPS

ACCURACY_DRAWS, RISK_GROUPS, EXAMPLES = 100, 4, 4
LANDMARKS_AT, HORIZONS_AT = (0.15, 0.3, 0.5), (0.25, 0.5)
"""Default landmarks and horizons, as shares of the week by which nine persons in ten have left."""

APPARENT = (
    "Apparent accuracy: the persons predicted are those the model was fitted to, and their later visits and exits "
    "helped to estimate it, so it overstates accuracy in new persons."
)


def windows(study: Study) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Default landmarks (nominal weeks of visits) and horizons (weeks after the landmark) of a study."""
    events = study.events
    assert events is not None
    span = float(np.quantile(events["week"].to_numpy(float), 0.9))
    nominal = np.asarray(study.nominal_weeks, float)
    landmarks = sorted({float(nominal[np.argmin(np.abs(nominal - share * span))]) for share in LANDMARKS_AT})
    return tuple(landmarks), tuple(sorted({float(max(1.0, round(share * span))) for share in HORIZONS_AT}))


def dynamic_prediction(
    model: Any,
    posterior: xr.DataTree,
    study: Study,
    *,
    seed: int,
    landmarks: tuple[float, ...] | None = None,
    horizons: tuple[float, ...] | None = None,
    draws: int = ACCURACY_DRAWS,
) -> xr.Dataset:
    """Apparent accuracy and calibration of predictions at landmarks.

    Parameters
    ----------
    model : JointEventModel
    posterior : DataTree
        From `fit`.
    study : Study
        What it was fitted to.
    seed : int
    landmarks, horizons : tuple of float, optional
        Weeks since randomisation; weeks after the landmark. Default `windows`.
    draws : int
        About how many posterior draws to use.

    Returns
    -------
    xr.Dataset
        `auc`, `brier`, `predicted_risk` (chain, draw, event, landmark, horizon[, risk_group]); `brier_reference`,
        `observed_risk` without draws, as of `bayesmodels.statistics`. Risks are averaged over random effects at every
        draw. NaN where nobody is at risk or no follow-up reaches the horizon. Attribute `validation` says that accuracy
        is apparent. Landmarks at which nobody is at risk are left out; without any other, no variable.
    """
    default_landmarks, default_horizons = windows(study)
    landmarks = _with_persons_at_risk(study, default_landmarks if landmarks is None else landmarks)
    horizons = default_horizons if horizons is None else horizons
    names = [event.name for event in model.events]
    events = study.events
    assert events is not None
    table = events.set_index("person").loc[study.persons["person"]]
    followed = (
        table["week"].to_numpy(float),
        event_names(model, table["event"]).to_numpy(str),
        table["entry_week"].fillna(0.0).to_numpy(float),
    )
    rows: dict[str, list[np.ndarray]] = {}
    lead: tuple[int, int] | None = None
    coords: dict[str, Any] = {}
    for landmark in landmarks:
        weeks = [landmark + horizon for horizon in horizons]
        risk = predict_events(
            model, posterior, study, weeks, seed=seed, landmark=landmark, fitted=study, draws=draws, over_terms=True
        )["cumulative_incidence"]
        lead = (risk.sizes["chain"], risk.sizes["draw"])
        coords = {"chain": np.asarray(risk["chain"]), "draw": np.asarray(risk["draw"])}
        for e, name in enumerate(names):
            for h, week in enumerate(weeks):
                values = risk.to_numpy()[:, :, e, :, h].reshape(lead[0] * lead[1], -1)
                for key, value in _judged(followed, name, values, landmark, week).items():
                    rows.setdefault(key, []).append(value)
    if lead is None:
        return xr.Dataset()
    coords |= {
        "event": names,
        "landmark": list(landmarks),
        "horizon": list(horizons),
        "risk_group": np.arange(RISK_GROUPS) + 1,
    }
    found, dims = {}, EVENT_GROUPS["dynamic_prediction"]
    for key, values in rows.items():
        block = np.array(values).reshape((len(landmarks), len(names), len(horizons), *values[0].shape))
        block = np.moveaxis(block, 1, 0)  # (event, landmark, horizon, [draw, [risk group]])
        if key in ("auc", "brier", "predicted_risk"):
            block = np.moveaxis(block, 3, 0).reshape((*lead, *block.shape[:3], *block.shape[4:]))
            found[key] = (("chain", "draw", *dims[key].dims), block)
        else:
            found[key] = (dims[key].dims, block)
    return xr.Dataset(found, coords=coords, attrs={"validation": APPARENT})


def example_predictions(
    model: Any, posterior: xr.DataTree, study: Study, *, seed: int, landmarks: tuple[float, ...] | None = None
) -> xr.Dataset:
    """Courses and survival of up to `EXAMPLES` persons as predicted at each landmark, with their visits.

    The persons are spread evenly over the predicted risk at the first landmark, and numbered anew. Patient data: to be
    archived only where persons' data may be.

    Returns
    -------
    xr.Dataset
        `example_course` (chain, draw, outcome, example, landmark, week), `example_survival` (chain, draw, example,
        landmark, week) where the model has terminal events, both at the study's curve weeks; `example_visit_week`,
        `example_visit_value` (outcome, example, example_visit). Natural units; NaN where a person is not at risk.
    """
    landmarks = _with_persons_at_risk(study, windows(study)[0] if landmarks is None else landmarks)
    weeks = list(study.curve_weeks)
    parts, chosen = [], None
    for landmark in landmarks:
        found = predict_events(
            model, posterior, study, weeks, seed=seed, landmark=landmark, fitted=study, draws=ACCURACY_DRAWS
        )
        if chosen is None:
            risk = (
                found["cumulative_incidence"]
                .sum("event", skipna=False)
                .mean(("chain", "draw"))
                .isel(week=-1)
                .to_numpy()
            )
            order = np.argsort(risk)[: int(np.isfinite(risk).sum())]
            chosen = order[np.unique(np.linspace(0, len(order) - 1, EXAMPLES).round().astype(int))]
        parts.append(found[[name for name in ("trajectory", "survival") if name in found]].isel(person=chosen))
    if chosen is None:
        return xr.Dataset()
    index = pd.Index(landmarks, name="landmark")
    every = xr.concat([part.drop_vars(("at_risk", "last_week")) for part in parts], index).rename(person="example")
    every = every.rename(
        {"trajectory": "example_course"} | ({"survival": "example_survival"} if "survival" in every else {})
    )
    every = every.assign_coords(example=np.arange(len(chosen))).drop_vars("unit")
    seen = study.visits[study.visits["outcome"].isin(found["outcome"].values)]
    labels = study.persons["person"].to_numpy()[chosen]
    own = [[seen[(seen["person"] == p) & (seen["outcome"] == k)] for p in labels] for k in found["outcome"].values]
    most = max(len(table) for row in own for table in row)
    for name, column in (("example_visit_week", "week"), ("example_visit_value", "value")):
        block = np.full((len(own), len(labels), most), np.nan)
        for k, row in enumerate(own):
            for i, table in enumerate(row):
                block[k, i, : len(table)] = table[column].to_numpy(float)
        every[name] = (("outcome", "example", "example_visit"), block)
    dims = {name: variable.dims for name, variable in EVENT_GROUPS["dynamic_prediction"].items()}
    return every.map(lambda v: v.transpose(*(d for d in ("chain", "draw") if d in v.dims), *dims[str(v.name)]))


def _with_persons_at_risk(study: Study, landmarks: tuple[float, ...]) -> tuple[float, ...]:
    """Landmarks, rising, at which someone has entered and not left."""
    events = study.events
    assert events is not None
    entry, end = events["entry_week"].fillna(0.0).to_numpy(float), events["week"].to_numpy(float)
    return tuple(week for week in sorted(landmarks) if ((entry <= week) & (week < end)).any())


def _judged(
    followed: tuple[np.ndarray, np.ndarray, np.ndarray], name: str, risk: np.ndarray, landmark: float, week: float
) -> dict[str, np.ndarray]:
    """Accuracy and calibration of one event in one window; `risk` (draw, person)."""
    time, event, entry = followed
    found = {
        "auc": np.full(len(risk), np.nan),
        "brier": np.full(len(risk), np.nan),
        "brier_reference": np.array(np.nan),
        "predicted_risk": np.full((len(risk), RISK_GROUPS), np.nan),
        "observed_risk": np.full(RISK_GROUPS, np.nan),
    }
    risk = np.clip(risk, 0.0, 1.0)
    try:
        accuracy = prediction_accuracy(time, event, name, risk, landmark, week, entry)
        groups = calibration(time, event, name, risk, landmark, week, entry, groups=RISK_GROUPS)
    except NoFollowUp:
        return found
    found |= {"auc": accuracy.auc, "brier": accuracy.brier, "brier_reference": np.array(accuracy.brier_reference)}
    number = len(groups.table)  # persons of like risk stay together, so there may be fewer
    found["predicted_risk"][:, :number] = groups.predicted
    found["observed_risk"][:number] = groups.table["observed"]
    return found
