"""All diagrams, by name."""

from experiments.phases.frame import Diagram
from experiments.phases.joint import ALPHA, BIAS, IMBALANCE, SMOOTHING
from experiments.phases.variants import FOCAL, PEELED, RELU

DIAGRAMS: dict[str, Diagram] = {
    diagram.name: diagram for diagram in (IMBALANCE, ALPHA, SMOOTHING, BIAS, RELU, PEELED, FOCAL)
}
