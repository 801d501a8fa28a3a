"""Networks whose every layer can be looked at: `build_network`."""

from experiments.networks.build import build_network
from experiments.networks.network import Activation, Network

__all__ = ["Activation", "Network", "build_network"]
