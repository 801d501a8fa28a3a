"""Results that show themselves: what a person holds in Python, with its text, page, picture and data.

network  compare_network, and the report it gives
runs     several of them on one page
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "runs": "Runs compare_runs",
        "network": "NetworkReport compare_activations compare_network reported",
    },
)
