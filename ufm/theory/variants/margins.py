"""Small penalties at a fixed λ_W/λ_H: the optimum's direction is that of a support vector machine,

    min c tr (E zzᵀ)^{1/2}   with   z_i − z_j ≥ 1 (j outside the support of the label, i in it), z equal within it.

One-hot labels of any weights q: z_k = e_k − 1/K, W Wᵀ = √(λ_H/λ_W) (Π diag(q) Π)^{1/2} at margin one. Labels with
exchangeable supports S: z = Π 1_S, tr (E zzᵀ)^{1/2} = √((K−1) E[|S|(1 − |S|/K)]). How slowly: the response to
weights is corrected by 2/x (x the logit gap), so by 1/log(1/c).
(Thrampoulidis et al. 2022, Zhao and Thrampoulidis 2024; re-derived here.)
"""

import numpy as np
from jaxtyping import Float


def centred_supports(labels) -> Float[np.ndarray, "n K"]:
    """Π 1_S of each label."""
    named = (np.asarray(labels) > 0).astype(float)
    return named - named.mean(1, keepdims=True)


def margin_gram(labels, weights, lambda_w: float, lambda_h: float) -> Float[np.ndarray, "K K"]:
    """W Wᵀ = √(λ_H/λ_W) (E zzᵀ)^{1/2} at margin one."""
    scaled = centred_supports(labels) * np.sqrt(np.asarray(weights, float))[:, None]
    _, size, vector = np.linalg.svd(scaled, full_matrices=False)
    return np.sqrt(lambda_h / lambda_w) * (vector.T * size) @ vector


def margin_objective(labels, weights, lambda_w: float, lambda_h: float) -> float:
    """c tr (E zzᵀ)^{1/2}."""
    scaled = centred_supports(labels) * np.sqrt(np.asarray(weights, float))[:, None]
    return float(np.sqrt(lambda_w * lambda_h) * np.linalg.svd(scaled, compute_uv=False).sum())
