"""Reports as pictures: the only room that knows Matplotlib.

features        numerical optima over the closed form
points          the points of that picture, solved
joint           the joint optimum and its certificate
joint_features  its panel of features
tracker         a network in training against epochs
compare         a network's samples over the closed form
compare_classes its panels where no input is mixed
runs            several networks beside one another
frame           the style and size of all of them, the words that go with them, the files
words/          captions made of numbers, and what is seen
plane           colours, panels, rows of W as arrows over features
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "compare": "draw_comparison panel_images",
        "features": "draw_features",
        "joint": "draw_joint",
        "tracker": "draw_tracker",
        "runs": "draw_runs",
    },
)
