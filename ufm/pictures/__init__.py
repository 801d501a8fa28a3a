"""Reports as pictures: the only room that knows Matplotlib.

features  numerical optima over the closed form
joint     the joint optimum and its certificate
compare   a network's samples over the closed form
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "compare": "draw_comparison",
        "features": "draw_features",
        "joint": "draw_joint",
    },
)
