"""Networks whose every layer can be looked at: `build_network`."""

from experiments.networks.build import build_network
from experiments.networks.network import Activation, FixedETF, Network

__all__ = ["Activation", "FixedETF", "Network", "build_network"]
