"""Rigorous enclosures in ball arithmetic: alone with python-flint, the loss written a second time on purpose.

features  enclose_features, enclose_etf: optimal features
joint     enclose_joint: the joint gap
models    a feature against the ETF, and against any W
balls     vectors of balls
given     doubles, each exact
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "balls": "norm",
        "features": "Enclosure distance_between enclose_etf enclose_features",
        "joint": "enclose_joint",
    },
)
