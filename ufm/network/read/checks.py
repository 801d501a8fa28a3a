"""What the shapes of activations must be, and which arrays hold the labels; no row is read."""

from ufm.network.read.mapped import Stored
from ufm.rules.errors import InputError

SETS = ("clean", "test", "ood")
MEANT = {  # what arrays are called elsewhere
    **dict.fromkeys(("features", "activations", "embeddings"), "H"),
    **{"weight": "W (or weights, one a row of H)", "kernel": "W, its transpose", "bias": "b"},
    **dict.fromkeys(("label", "labels", "target", "targets"), "y"),
    **dict.fromkeys(("weight_decay", "wd"), "lambda_w (of the features, lambda_h)"),
}
LABELS = "y (N integers), or i, j, lam (N each), or Y (N x K, rows summing to one)"


def check_matrix(stored: Stored, shape: str, least: int) -> None:
    """InputError unless it is a matrix with at least that many rows."""
    if len(stored.shape) != 2 or stored.shape[0] < least or stored.shape[1] < 1:
        raise InputError(
            f"{stored.name} must be a matrix {shape}, {shape[0]} >= {least} and d >= 1, got shape {stored.shape}"
        )


def label_keys(stored: dict[str, Stored]) -> tuple[str, ...]:
    """Which arrays hold the labels of H; y beside other labels belongs to the held-out logits."""
    pairs = tuple(key for key in ("i", "j", "lam") if key in stored)
    if pairs and len(pairs) < 3:
        raise InputError(f"labels i, j, lam come together, got only {', '.join(pairs)}")
    keys = (*pairs, *(("Y",) if "Y" in stored else ()))
    if not keys and "y" not in stored:
        raise InputError(f"no labels: give {LABELS}")
    if keys and "y" in stored and ("logits" not in stored or "y_logits" in stored):
        raise InputError(f"labels both as y and as {', '.join(keys)}: keep one of {LABELS}")
    return keys or ("y",)


def held_out_key(stored: dict[str, Stored], labels: tuple[str, ...]) -> str:
    """The array of classes of held-out logits."""
    if "y_logits" not in stored and "y" not in stored:
        raise InputError("logits need the classes of their rows: save them as y_logits (N2 integers)")
    return "y_logits" if "y_logits" in stored else "y"


def check_shapes(stored: dict[str, Stored], labels: tuple[str, ...], N: int, K: int) -> None:
    """InputError naming the first array that does not fit N rows of H and K of W."""
    wanted = {key: (N,) for key in ("y", "i", "j", "lam", "weights")} | {"Y": (N, K), "b": (K,)}
    if "logits" in stored:
        _check_logits(stored, labels, K)
        held = held_out_key(stored, labels)
        wanted[held] = stored["logits"].shape[:1]
    elif "y_logits" in stored:
        raise InputError("y_logits without logits: save the held-out logits (N2 x K) too")
    wanted |= {"logits_H": (N, K)}
    _check_sets(stored)
    wanted |= {
        f"y_{name}": stored[f"H_{name}"].shape[:1] for name in ("clean", "test") if f"H_{name}" in stored
    }
    for key, shape in wanted.items():
        if key in stored and stored[key].shape != shape:
            raise InputError(
                f"{key} must have shape {shape}, got {stored[key].shape}: N = {N} rows of H, K = {K} of W"
            )


def _check_sets(stored: dict[str, Stored]) -> None:
    """Features of the sets apart are as wide as H and have their classes."""
    for name in SETS:
        features, own = f"H_{name}", f"y_{name}"
        if features in stored:
            check_matrix(stored[features], "n x d", 1)
            if stored[features].shape[1] != stored["W"].shape[1]:
                shape = stored[features].shape
                raise InputError(
                    f"{features} has shape {shape}: it needs the columns of W, {stored['W'].shape[1]}"
                )
        if name != "ood" and (features in stored) != (own in stored):
            raise InputError(f"{features} and {own} come together, got only one of them")


def _check_logits(stored: dict[str, Stored], labels: tuple[str, ...], K: int) -> None:
    shape = stored["logits"].shape
    if len(shape) != 2 or shape[0] < 1 or shape[1] != K:
        raise InputError(f"logits must be a matrix N2 x {K} (K columns) with N2 >= 1, got shape {shape}")
    if labels == ("y",) and "y_logits" not in stored and shape[0] != stored["y"].shape[0]:
        raise InputError(f"logits have {shape[0]} rows and y does not: save their own classes as y_logits")


def scalar(stored: dict[str, Stored], key: str) -> float | None:
    """One number >= 0, if it is there."""
    if key not in stored:
        return None
    value = stored[key].whole()
    if value.size != 1 or value.item() < 0:
        raise InputError(f"{key} must be one number >= 0, got {value.ravel()[:3]} of shape {value.shape}")
    return value.item()
