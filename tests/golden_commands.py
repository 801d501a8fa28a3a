"""The golden set as data: commands by name, and the files that they are given. No module of `ufm` is imported here.

A case is one command a line, run one after another in a folder of its own. Every word that is a name of GIVEN is
made there first; {coordinator} and {process} make a line a run of two processes. Sizes are small: the whole set
takes a few minutes on one core.
"""

from functools import partial

import numpy as np

MEET = "--distributed --coordinator {coordinator} --processes 2 --process {process}"
SOLVE, VERIFY = "ufm.solve --json a.json", "ufm.verify --json a.json"
FREE_4 = f"{SOLVE} --classes 4 --classifier free"
FREE = "ufm.solve --classes 3 --classifier free --quadrature 3"

CASES = {
    # --- a fixed classifier, a simplex ETF ---
    "solve-main": "ufm.solve --classes 10 --alpha 1.0",
    "solve-record": "ufm.solve --classes 3 --lam 0,0.3,0.5,1 --json - --explain",
    "solve-two-classes": f"{SOLVE} --classes 2 --lam 0,1e-9,0.3,0.5,1",
    "solve-squared-error": f"{SOLVE} --classes 4 --lam 0.2,0.8 --loss squared-error --save a.npz",
    "solve-cutmix": f"{SOLVE} --classes 3 --labels cutmix --samples 2 --pairs different",
    "solve-kway": f"{SOLVE} --classes 4 --labels kway --ways 3 --samples 6 --save a.npz",
    "solve-smoothing": f"{SOLVE} --classes 5 --labels smoothing",
    "solve-onehot": f"{SOLVE} --classes 5 --labels onehot",
    "solve-smoothed-mixup": f"{SOLVE} --classes 3 --smoothing 0.1 --samples 4 --seed 7",
    "solve-quadrature-same": f"{SOLVE} --classes 4 --quadrature 5 --pairs same --alpha 0.4",
    "solve-wide": f"{SOLVE} --classes 4 --dim 9 --multiplier 2.5 --lambda-h 1e-3 --lam 0.1,0.4",
    "solve-trivial": f"{SOLVE} --classes 3 --lambda-w 1 --lambda-h 1 --lam 0.3 --explain",
    "solve-extreme-alpha": f"{SOLVE} --classes 3 --alpha 1e-12 --samples 6",
    "solve-small-penalty": f"{SOLVE} --classes 3 --lambda-h 1e-12 --multiplier 0.01 --lam 1.2e-9,0.25",
    "solve-symmetry": f"{SOLVE} --classes 200 --lam 0.0053,0.3,0.7 --symmetry",
    "solve-lbfgs": f"{SOLVE} --classes 3 --lam 0.02,0.3 --method lbfgs",
    "solve-gd-truncated": f"{SOLVE} --classes 3 --lam 0.02,0.3 --method gd --max-steps 3 --explain",
    "solve-no-step": f"{SOLVE} --classes 3 --lam 0.3 --max-steps 0 --explain",
    "solve-float32": f"{SOLVE} --classes 3 --lam 0,1e-9,0.5 --precision float32 --save a.npz",
    "solve-mixed-precision": f"{SOLVE} --classes 4 --lam 0.2,0.5 --precision mixed",
    "solve-rigorous": f"{SOLVE} --classes 3 --lam 0,1e-9,0.5 --rigorous --explain",
    "solve-shards": "ufm.solve --classes 4 --lam 0.2,0.5 --save out/ --memory 1GiB",
    "solve-picture": "ufm.solve --classes 4 --lam 0.1,0.3,0.5 --plot a.png --save a.npz",
    "solve-picture-format": "ufm.solve --classes 3 --lam 0.3 --plot a --format svg --size column",
    "solve-two-processes": f"{SOLVE} --classes 4 --lam 0.2,0.5 --save out/ {MEET}",
    # --- given W, given labels ---
    "given-classifier": f"{SOLVE} --classes 4 --classifier W.npy --lam 0.3,1 --explain",
    "given-classifier-narrow": f"{SOLVE} --classes 4 --classifier narrow.npy --lam 0.3,1 --save a.npz",
    "given-near-etf": f"{SOLVE} --classes 3 --classifier near.npy --lam 0.3",
    "given-classifier-rigorous": f"{SOLVE} --classes 4 --classifier W.npy --lam 0.3 --pairs same --rigorous",
    "given-labels": f"{SOLVE} --classes 3 --labels Y.npy --multiplier 1 --save a.npz",
    "given-labels-weighted": f"{SOLVE} --classes 3 --labels Y.npy --weights w.npy",
    "given-labels-float32": f"{SOLVE} --classes 3 --labels Y32.npy --multiplier 1.5",
    "given-both": f"{SOLVE} --classes 3 --classifier near.npy --labels Y.npy --rigorous",
    # --- a free classifier ---
    "free-mixup": f"{FREE} --json a.json --save a.npz",
    "free-imbalanced": f"{FREE_4} --quadrature 3 --weights 0.6,0.2,0.1,0.1",
    "free-collapse": f"{FREE_4} --labels onehot --weights 0.7,0.1,0.1,0.1 --lambda-w 0.02 --lambda-h 1",
    "free-bias": f"{FREE} --json a.json --weights 0.5,0.3,0.2 --bias free --save a.npz",
    "free-bias-penalty": f"{FREE} --json a.json --bias 0.01 --rigorous",
    "free-narrow": f"{FREE_4} --quadrature 2 --dim 2 --starts 2",
    "free-cyclic": f"{FREE_4} --quadrature 3 --pairs cyclic",
    "free-squared-error": f"{FREE} --json a.json --loss squared-error --bias free",
    "free-kway": f"{SOLVE} --classes 3 --classifier free --labels kway --samples 12",
    "free-cutmix": f"{FREE} --json a.json --labels cutmix",
    "free-smoothing": f"{FREE_4} --labels smoothing",
    "free-labels": f"{SOLVE} --classes 3 --classifier free --labels Y.npy --weights w.npy",
    "free-penalties": f"{SOLVE} --classes 3 --classifier free --labels Y.npy --rho 0.5,1,2,1,0.2,3",
    "free-draws": f"{SOLVE} --classes 3 --classifier free --draws 32",
    "free-rigorous": f"{FREE} --json a.json --rigorous --plot a.png",
    "free-trivial": f"{FREE} --json a.json --lambda-w 1 --lambda-h 1",
    "free-two-processes": f"{FREE} --json a.json {MEET}",
    # --- the theorems ---
    "verify-small": f"{VERIFY} --classes 3 --lam 0.3,0.5",
    "verify-two-classes": f"{VERIFY} --classes 2 --alpha 0.4 --lam 0.3,0.5",
    "verify-squared-error": f"{VERIFY} --classes 3 --loss squared-error --bias free --lam 0.3,0.5",
    "verify-imbalanced": "ufm.verify --classes 4 --labels onehot --weights 0.4,0.4,0.1,0.1 --lam 0.3 --json -",
    "verify-labels": f"{VERIFY} --classes 3 --labels Y.npy",
    "verify-rigorous": f"{VERIFY} --classes 3 --lam 0.3 --labels cutmix --rigorous",
    "verify-binary": f"{VERIFY} --classes 3 --loss binary-cross-entropy --labels onehot --bias free",
    "verify-list": "ufm.verify --list",
    "verify-list-narrowed": "ufm.verify --list --loss squared-error --balance weighted",
    "verify-explain": "ufm.verify --explain different-class",
    # --- a network ---
    "compare-network": "ufm.compare net.npz --replicates 20 --json a.json --report a.html --plot a.png",
    "compare-folder": "ufm.compare net/ --replicates 0 --centre mean --bins 4 --lambda-w 1e-3 "
    "--lambda-h 1e-3 --json -",
    "compare-squared-error": "ufm.solve --classes 4 --quadrature 6 --loss squared-error --save saved.npz\n"
    "ufm.compare saved.npz --loss squared-error --replicates 20 --json a.json",
    "compare-own-optimum": "ufm.solve --classes 3 --classifier free --quadrature 4 --weights 0.5,0.3,0.2 --bias "
    "free --save saved.npz\n"
    "ufm.compare saved.npz --replicates 20 --json a.json",
    # --- sweeps ---
    "sweep-main": "ufm.sweep grid.toml --dry-run\nufm.sweep grid.toml\nufm.sweep grid.toml",
    "sweep-part": "ufm.sweep grid.toml --part 1/2\nufm.sweep grid.toml --part 2/2",
    "sweep-two-classes": "ufm.sweep two.toml",
    "sweep-laws": "ufm.sweep laws.toml --out out",
    "sweep-undecided": "ufm.sweep tight.toml --out out\nufm.sweep grid.toml --out out",
    # --- help and refusals ---
    "help-solve": "ufm.solve --help",
    "help-verify": "ufm.verify --help",
    "help-compare": "ufm.compare --help",
    "help-sweep": "ufm.sweep --help",
    "refused-numbers": "ufm.solve --classes 1\nufm.solve --lam 0.5,1.5\nufm.verify --alpha nan",
    "refused-flags": "ufm.solve --clases 10\nufm.solve --labels mixpu\nufm.solve --weights 0.5,0.5 --classes 2",
    "refused-dim": "ufm.solve --classes 10 --dim 8\nufm.solve --classes 3 --classifier etf.npy --dim 4",
    "refused-labels": "ufm.solve --classes 3 --labels bad.npy\nufm.verify --classes 3 --labels none.npy",
    "refused-outputs": "ufm.solve --json no/a.json\nufm.compare net.npz --plot a.txt",
    "refused-memory": "ufm.solve --classes 3 --lam 0.3 --memory 1MB\nufm.compare net.npz --memory 1kB",
    "refused-network": "ufm.compare nan.npz\nufm.compare lone.npz\nufm.compare none.npz",
    "refused-grid": "ufm.sweep misspelt.toml\nufm.sweep none.toml\nufm.sweep grid.toml --coordinator a:1",
    "refused-free": "ufm.solve --classifier free --multiplier 2\nufm.solve --classifier free --symmetry",
    "refused-theorem": "ufm.verify --explain same-clas\nufm.verify --classes 3 --weights 0.5,0.5",
}  # fmt: skip


def gaussian(*shape: int) -> np.ndarray:
    """A matrix of no structure."""
    return np.random.default_rng(0).normal(size=shape)


def etf(K: int = 3, d: int = 5, m: float = 1.3) -> np.ndarray:
    """A rotated simplex ETF of row norm m."""
    rotation = np.linalg.qr(gaussian(d, d))[0][:K]
    return m * np.sqrt(K / (K - 1)) * (np.eye(K) - 1 / K) @ rotation


def near() -> np.ndarray:
    """The same, one row shifted by 1e-6."""
    W = etf()
    W[0] += 1e-6
    return W


def soft() -> np.ndarray:
    """Labels of three classes: drawn ones, a pure and the uniform one."""
    return np.vstack(
        [np.random.default_rng(0).dirichlet(np.ones(3), 4), np.eye(3)[:1], np.full((1, 3), 1 / 3)]
    )


def network(N: int = 240, d: int = 6, K: int = 4) -> dict[str, np.ndarray]:
    """Noisy affine features of mixed inputs against a random W, and held-out logits."""
    rng = np.random.default_rng(0)
    W, lam, (i, j, y) = rng.normal(size=(K, d)), rng.random(N), rng.integers(0, K, (3, N))
    H = lam[:, None] * W[i] + (1 - lam[:, None]) * W[j] + 0.1 * rng.normal(size=(N, d))
    logits = (W[y] + 0.5 * rng.normal(size=(N, d))) @ W.T
    return {"H": H, "W": W, "b": np.zeros(K), "i": i, "j": j, "lam": lam, "logits": logits, "y_logits": y}


def spoilt() -> dict[str, np.ndarray]:
    """A network one of whose features is not a number."""
    parts = network()
    parts["H"][3, 1] = np.nan
    return parts


GIVEN = {
    "W.npy": partial(gaussian, 4, 6),
    "narrow.npy": partial(gaussian, 4, 2),
    "etf.npy": etf,
    "near.npy": near,
    "Y.npy": soft,
    "Y32.npy": lambda: soft().astype(np.float32),
    "bad.npy": lambda: np.ones((3, 3)),
    "w.npy": lambda: np.array([0.1, 0.2, 0.3, 0.15, 0.25, 0.0]),
    "net.npz": network,
    "net/": network,
    "nan.npz": spoilt,
    "lone.npz": lambda: {"H": network()["H"]},
    "grid.toml": lambda: (
        """\
classes = 3
alpha = [0.5, 2.0]
smoothing = [0, 0.1]
lambda_h = { from = 1e-6, to = 1e-1, count = 3, scale = "log" }
lambda_w = [1e-4, 10]
lam = [0.0, 0.3, 0.5]
block = 10
"""
    ),
    "two.toml": lambda: (
        "classes = 2\nmultiplier = [0, 0.5]\nlambda_h = [1e-5, 0.1]\nlam = [0, 1e-9, 0.5, 1]\n"
    ),
    "laws.toml": lambda: (
        """\
classes = 3
labels = ["cutmix", "onehot"]
loss = ["cross-entropy", "squared-error"]
dim = [2, 5]
lam = [0.2, 0.5]
lambda_h = [1e-4, 1]
"""
    ),
    "tight.toml": lambda: "classes = 3\nmultiplier = 1\nlam = [0.3, 0.5]\ntol = 5e-15\n",
    "misspelt.toml": lambda: "alfa = 1\n",
}
