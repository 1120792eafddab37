"""The experiments, simplest first."""

from research.experiment import Experiment
from research.experiments import boosted_trees, decision_tree, heuristic, random_forest

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (heuristic, decision_tree, random_forest, boosted_trees)
}
