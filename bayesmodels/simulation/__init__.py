"""Patient-level trials like VALOR, simulated from the mathematics: the independent check on the fitted models.

Simulated trials are not data. `simulate` writes folders, `simulate_trial` returns the tables, `population_truth` the
means and contrasts that an analysis should find. Nothing here imports the models or their parts.
"""

from bayesmodels.simulation.design import DataLock, StartGroup, TrialDesign, valor_design
from bayesmodels.simulation.folder import simulate, trial_seed, write_trial
from bayesmodels.simulation.platform_trial import (
    PlatformDesign,
    PlatformTrial,
    PlatformTruth,
    simulate_platform_trial,
)
from bayesmodels.simulation.population import parameter_table, population_truth
from bayesmodels.simulation.responder_trap import ResponderTrap, responder_trap
from bayesmodels.simulation.trial import EVENTS, SimulatedTrial, TrialArrays, simulate_arrays, simulate_trial
from bayesmodels.simulation.trial_collections import (
    COLLECTIONS,
    CollectionTruth,
    simulate_effects,
    simulate_patients,
)
from bayesmodels.simulation.truth import ByStratum, Truth, published_truth, without_drug_effect, without_exits

__all__ = [
    "COLLECTIONS",
    "EVENTS",
    "ByStratum",
    "CollectionTruth",
    "DataLock",
    "PlatformDesign",
    "PlatformTrial",
    "PlatformTruth",
    "ResponderTrap",
    "SimulatedTrial",
    "StartGroup",
    "TrialArrays",
    "TrialDesign",
    "Truth",
    "parameter_table",
    "population_truth",
    "published_truth",
    "responder_trap",
    "simulate",
    "simulate_arrays",
    "simulate_effects",
    "simulate_patients",
    "simulate_platform_trial",
    "simulate_trial",
    "trial_seed",
    "valor_design",
    "without_drug_effect",
    "without_exits",
    "write_trial",
]
