"""The free variables of a joint model at a simulated truth: the model's own parametrisation, written out again."""

import numpy as np
from sampled_point import scaled_contrast


def free_variables(truth, model, arrays):
    """Every free variable but the numbers by person; `arrays` are the data the hazards are centred on."""
    means, contrasts = [], []
    for k in truth.outcomes:
        means += [k.level, k.rate, k.effect.mean(axis=1)]
        contrasts.append((k.effect[:, 0] - k.effect[:, 1]) / np.sqrt(2.0))
    effects = [(k.effect.type, k) for k in model.outcomes if k.effect.type != "none"]
    priors = [k.effect_on_rate if shape == "slope_change" else k.effect_on_level for shape, k in effects]
    effect_sds = [prior.sd for prior in priors]
    factor = np.linalg.cholesky(truth.correlation)
    partial = [factor[i, j] / np.sqrt(1.0 - (factor[i, :j] ** 2).sum()) for i in range(len(factor)) for j in range(i)]
    found = {
        "effect_group_sd": truth.effect_sd,
        "term_mean": np.stack(means),
        "scaled_effect_contrast": scaled_contrast(
            (np.stack(contrasts) / truth.effect_sd[:, None])[..., None], truth.effect_sd, effect_sds
        ),
        "covariate_slope": np.concatenate([k.on_covariate for k in truth.outcomes]),
        "term_sd": truth.person_sd[None],
        "partial_correlation": (np.array(partial) + 1.0) / 2.0,
        "error_sd": np.array([[k.residual_sd for k in truth.outcomes]]),
    }
    for k, spec in zip(truth.outcomes, model.outcomes, strict=True):
        found[f"{spec.name}_effect_lag"] = np.array(k.lag)
        found[f"{spec.name}_effect_time_constant"] = np.array(k.time_constant)
    return found | _of_hazards(truth, model, arrays)


def _of_hazards(truth, model, arrays):
    """Predictors and covariates in the order of their first use; baselines at the centres of `arrays`."""
    names = [k.name for k in model.outcomes]
    keys = []
    for spec in model.events:
        for a in spec.associations:
            kinds = [f"terms:{kind}" for kind in ("level", "rate")] if a.form == "terms" else [a.form]
            keys += [(a.outcome, kind) for kind in kinds if (a.outcome, kind) not in keys]
    columns = list(dict.fromkeys(c for spec in model.events for c in spec.covariates))
    for field, size in (("start_group", 1), ("stratum", len(truth.outcomes[0].level) - 1)):
        columns += [field] * size if any(getattr(spec, field) for spec in model.events) else []
    found, alphas, gammas = {}, [], []
    for event, spec in zip(truth.events, model.events, strict=True):
        sizes = {(names[link.outcome], link.form): link.size for link in event.links}
        for a in spec.associations:
            if a.form == "terms":
                k = names.index(a.outcome)
                sizes |= {
                    (a.outcome, f"terms:{kind}"): event.terms[2 * k + j] for j, kind in enumerate(["level", "rate"])
                }
        ratios = {name: event.covariate for name in spec.covariates}
        ratios |= {"start_group": event.start_group[0]} if spec.start_group else {}
        ratios |= {"stratum": event.stratum[1]} if spec.stratum else {}
        alphas += [sizes[key] for key in keys if key in sizes]
        gammas += [ratios[name] for name in columns if name in ratios]
        shift = sum(arrays["exit_lift"][keys.index(key)] * size for key, size in sizes.items())
        shift += sum(arrays["exit_middle"][columns.index(name)] * size for name, size in ratios.items())
        level = event.log_hazard + shift
        if event.log_shape is not None:
            level = level[0] + np.expm1(event.log_shape) * arrays[f"{spec.name}_centre"]
            found[f"{spec.name}_log_shape"] = np.array(event.log_shape)
        elif len(level) > 1:
            found |= _of_pieces(level, spec)
            level = level.mean()
        found[f"{spec.name}_log_hazard"] = np.array(level)
        if spec.on_drug:
            found[f"{spec.name}_on_drug"] = np.array(event.on_drug)
    return found | {"hazard_association": np.array(alphas), "hazard_ratio": np.array(gammas)}


def _of_pieces(log_hazard, spec):
    """Steps of the walk over the pieces' midpoints in units of their SDs; only the SD's product with them matters."""
    edges = np.array([0.0, *spec.baseline.knot_weeks, spec.baseline.until_week])
    gaps, sd = (edges[2:] - edges[:-2]) / 2, 0.8
    step = np.diff(log_hazard) / (sd * np.sqrt(gaps / gaps.sum()))
    return {f"{spec.name}_random_walk_sd": np.array(sd), f"{spec.name}_step": step}
