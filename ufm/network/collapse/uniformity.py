"""GNC2: how uniformly directions lie on the sphere, also where K > d + 1 and no simplex ETF exists.

    distance: ‖v̂_k − v̂_l‖;   log: −log ‖v̂_k − v̂_l‖;   riesz: sign(s) ‖v̂_k − v̂_l‖^{−s},   v̂ = v/‖v‖.

The mean over pairs of the last two is the hyperspherical energy, least where directions are spread most; at a
simplex ETF all pairs are equal, so every variance is 0. Sources: Liu, Yu, Weller, Schölkopf, ICLR 2023 (arXiv
2303.06484); Wu, Papyan, NeurIPS 2024; kernels.py of github.com/rhubarbwu/neural-collapse (dist_kernel, log_kernel,
riesz_kernel, kernel_stats), whose Riesz kernel has s = d − 2.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import pdist

import ufm.rules.numbers as checked
from ufm.network.collapse.angles import Moments, moments, units

KERNELS = ("distance", "log", "riesz")


def kernel_pairs(
    V: Float[np.ndarray, "K d"], kernel: str = "log", s: float | None = None
) -> Float[np.ndarray, " P"]:
    """The kernel of every pair k < l of rows, K (K − 1)/2 of them; infinite where directions coincide.

    s: exponent of "riesz", d − 2 if None (2 dimensions then give 0 for every pair, as sign(0) is). NaN beside a row
    of zeros.
    """
    V = checked.array("V", V, ("K", "d"))
    checked.choice("kernel", kernel, KERNELS)
    s = V.shape[1] - 2 if s is None else checked.real("s", s)
    distance = pdist(units(V))
    with np.errstate(divide="ignore", over="ignore"):
        if kernel == "riesz":
            return np.sign(s) * distance ** -float(s)
        return distance if kernel == "distance" else -np.log(distance)


def uniformity(V: Float[np.ndarray, "K d"], kernel: str = "log", s: float | None = None) -> Moments | None:
    """Mean (the energy), variance and variation of a kernel over all pairs; `V`: M̊ᵀ or W.

    None if a row vanishes or directions coincide where the kernel is infinite.
    """
    return moments(kernel_pairs(V, kernel, s))


def uniformity_gap(V: Float[np.ndarray, "K d"], kernel: str = "log", s: float | None = None) -> float | None:
    """Energy less that of a simplex ETF, which is the least there is for K ≤ d + 1: ≥ 0, and 0 at an ETF alone.

    ‖v̂_k − v̂_l‖ = √(2K/(K−1)) there. None for K > d + 1, where the least energy has no closed form, for "distance",
    which is no energy, for s ≤ 0, and where the energy is infinite.
    """
    K, d = checked.array("V", V, ("K", "d")).shape
    found = uniformity(V, kernel, s)
    power = d - 2 if s is None else s
    if found is None or d + 1 < K or kernel == "distance" or (kernel == "riesz" and power <= 0):
        return None
    side = np.sqrt(2 * K / (K - 1))
    return found.mean - float(-np.log(side) if kernel == "log" else side ** -float(power))
