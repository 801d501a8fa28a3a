"""Random command lines of solve, verify, compare and sweep, legal, edge and illegal, and the files they read.

Every word of a line is drawn from a short list, so that sizes stay small, programs few and a line readable. What is
huge must be refused, not tried.
"""

from pathlib import Path

import numpy as np

# values that a flag may be given: good ones, edges of what is allowed, and wrong ones
GOOD, EDGE, WRONG = 0, 1, 2
CHANCES = (0.86, 0.1, 0.04)

NUMBERS = {
    "classes": (
        ["2", "3", "4", "10"],
        ["40", "100", "10000000"],
        ["1", "0", "-3", "100000000000", "2.5", "ten", ""],
    ),
    "alpha": (["0.2", "1", "5"], ["1e-3", "1e6", "1e9"], ["0", "-1", "nan", "inf", "x", "1e300"]),
    "dim": (["4", "10", "16"], ["1", "2", "100", "100000000"], ["0", "-1", "1e3"]),
    "multiplier": (
        ["1", "1.67", "0.1"],
        ["0", "1e-40", "1e40", "1e-100"],
        ["-1", "nan", "inf", "1e200", "--"],
    ),
    "lambda-w": (["5e-4", "1e-2", "0.3"], ["0", "1e-30", "1e-100", "1e100"], ["-1", "nan", "inf", "1e-300"]),
    "lambda-h": (["5e-4", "1e-2", "1e-6"], ["1e-30", "1e-100", "1e100"], ["0", "-1", "nan", "inf", "1e-300"]),
    "loss": (["cross-entropy", "squared-error"], [], ["hinge", "", "CE"]),
    "smoothing": (["0.1", "0.01"], ["0", "0.999", "1e-300"], ["1", "-0.1", "nan", "2"]),
    "ways": (["2", "3"], ["4"], ["1", "0", "7", "1000000", "x"]),
    "bias": (["none", "free", "0.01"], ["1e-12", "1e12"], ["0", "-1", "nan", "yes"]),
    "pairs": (["all", "different", "same", "cyclic"], [], ["none", ""]),
    "lam": (
        ["0.3", "0.1,0.5", "0,1"],
        ["0", "1e-300", "0.5,0.5", "1e-17"],
        ["1.5", "-0.1", "nan", "a,b", ",", ""],
    ),
    "samples": (["1", "2"], ["5", "1000000000"], ["0", "-1", "x"]),
    "quadrature": (["1", "2", "3"], ["8"], ["0", "-2", "100000000", "x"]),
    "seed": (["0", "7"], ["9223372036854775807"], ["-1", "9223372036854775808", "x"]),
    "method": (["newton", "lbfgs"], [], ["sgd", ""]),
    "max-steps": (["0", "1", "3", "50"], ["2147483647"], ["-1", "2147483648", "x"]),
    "tol": (["1e-6", "1e-3"], ["1e-300", "1e300"], ["0", "-1", "nan", "inf", "x"]),
    "precision": (["auto", "float64", "float32", "mixed"], [], ["float16", ""]),
    "starts": (["1", "2"], ["3"], ["0", "-1", "x"]),
    "draws": (["20", "50"], ["1", "2", "1000000000"], ["0", "-5", "x"]),
    "bins": (["10", "3"], ["1", "1000"], ["0", "-1", "1001"]),
    "replicates": (["0", "20"], ["1"], ["-1", "100000"]),
    "centre": (["class", "mean", "none"], [], ["median"]),
}
WEIGHTS = (["even", "uneven"], [], ["0.5", "1,-1,1", "nan,1", "a"])
LABELS = (
    ["mixup", "cutmix", "kway", "smoothing", "onehot", "Y.npy"],
    ["Y32.npy"],
    ["mixmatch", "none.npy", "bad.npy"],
)
CLASSIFIERS = (
    ["etf", "free", "W.npy"],
    ["zero.npy", "steep.npy"],
    ["orthogonal", "none.npy", "bad.npy", "nan.npy"],
)
JSON = (["-", "out.json"], ["Y.npy.json"], ["", ".", "no/out.json", "/proc/no.json"])
PICTURES = (["out.png", "out.pdf"], ["out.svg"], ["out.txt", "", "no/out.png", "."])
SAVES = (["out.npz", "out/"], [], ["out.txt", "", "no/out.npz"])
TAIL = ([[]], [], [["--nonsense"], ["extra"], ["--classes"], ["--seed", "1", "--seed", "2"], ["--help"]])
FREE_ONLY = ("bias", "starts", "draws")
FIXED_ONLY = ("multiplier", "method", "max-steps", "precision")


def pick(rng, values):
    """One value: mostly a good one."""
    level = rng.choice(3, p=CHANCES)
    pool = values[level] or values[GOOD]
    return pool[rng.integers(len(pool))]


def flags(rng, names, chance: float) -> list[str]:
    """Each of the named flags with this chance."""
    found = []
    for name in names:
        if rng.random() < chance:
            found += [f"--{name}", pick(rng, NUMBERS[name])]
    return found


def outputs(rng, **choices) -> list[str]:
    """Files to write, each seldom."""
    found = []
    for name, values in choices.items():
        if rng.random() < 0.15:
            found += [f"--{name}", pick(rng, values)]
    return found


def class_weights(rng, classes: str) -> str:
    """As many weights as there are classes, where that is a number."""
    word = pick(rng, WEIGHTS)
    K = int(classes) if classes.isdecimal() and 2 <= int(classes) <= 100 else 3
    values = np.ones(K) if word == "even" else np.arange(1.0, K + 1)
    return ",".join(repr(float(v)) for v in values / values.sum()) if word in ("even", "uneven") else word


def problem(rng, free: bool) -> list[str]:
    """The flags that solve and verify share; few classes where W is free, as there are 32 weights a pair."""
    values = NUMBERS["classes"]
    classes = pick(rng, (["2", "3"], ["4", "10000000"], values[WRONG]) if free else values)
    line = ["--classes", classes, *flags(rng, ("alpha", "dim", "smoothing", "ways", "pairs"), 0.15)]
    line += flags(rng, ("lambda-w", "lambda-h", "loss"), 0.4)
    if rng.random() < 0.4:
        line += ["--labels", pick(rng, LABELS)]
    if rng.random() < (0.3 if free else 0.03):
        line += ["--weights", class_weights(rng, classes)]
    return line


def fit_files(rng, line: list[str]) -> list[str]:
    """Mostly three classes where the line names a file, as it has three."""
    if any(word.endswith(".npy") for word in line) and rng.random() < 0.9:
        line[line.index("--classes") + 1] = "3"
    return line


def solve(rng) -> list[str]:
    """A line of ufm.solve; with few mixing weights, as the default has 64."""
    classifier = pick(rng, CLASSIFIERS)
    free = classifier == "free"
    line = problem(rng, free)
    if classifier != "etf":
        line += ["--classifier", classifier]
    own, other = (FREE_ONLY, FIXED_ONLY) if free else (FIXED_ONLY, FREE_ONLY)
    line += flags(rng, own, 0.2) + flags(rng, other, 0.02)
    line += (
        flags(rng, [str(rng.choice(["lam", "samples", "quadrature"]))], 0.97) if "--draws" not in line else []
    )
    line += flags(rng, ("seed", "tol"), 0.15)
    line += [f"--{name}" for name in ("rigorous", "symmetry", "explain") if rng.random() < 0.08]
    return fit_files(rng, line) + outputs(rng, json=JSON, save=SAVES, plot=PICTURES) + list(pick(rng, TAIL))


def verify(rng) -> list[str]:
    """A line of ufm.verify."""
    line = problem(rng, True) + flags(rng, ("multiplier", "bias", "lam"), 0.2)
    line += [f"--{name}" for name in ("rigorous",) if rng.random() < 0.08]
    line += ["--list"] if rng.random() < 0.03 else []
    line += ["--explain", str(rng.choice(["joint-etf", "nothing"]))] if rng.random() < 0.04 else []
    return fit_files(rng, line) + outputs(rng, json=JSON) + list(pick(rng, TAIL))


def compare(rng) -> list[str]:
    """A line of ufm.compare."""
    good = ["pairs.npz", "classes.npz", "soft.npz", "folder"]
    line = [
        pick(
            rng,
            (good, ["one.npz", "zero.npz"], ["none.npz", "bad.npz", "nan.npz", "short.npz", "object.npz"]),
        )
    ]
    line += flags(rng, ("lambda-w", "lambda-h", "bias", "loss", "centre", "bins", "seed"), 0.15)
    line += ["--replicates", pick(rng, NUMBERS["replicates"])]
    return (
        line
        + outputs(rng, json=JSON, plot=PICTURES, report=(["out.html"], [], ["out.txt", ""]))
        + list(pick(rng, TAIL))
    )


TOML = {
    "classes": (
        ["3", "[3, 4]", "10"],
        ["2"],
        ["1", "0", "[]", "[3, 3]", "10000000", "2.5", '"ten"', "nan", "true"],
    ),
    "alpha": (["1.0", "[0.2, 1.0, 5.0]"], ["1e9"], ["0", "-1.0", "nan", "inf", '"x"', "{ from = 1 }"]),
    "lambda_h": (
        ["1e-3", '{ from = 1e-6, to = 1e-1, count = 3, scale = "log" }'],
        ["1e-100"],
        ["0", "-1.0", "nan"],
    ),
    "lambda_w": (["5e-4", "[1e-4, 1e-2]"], ["1e-30"], ["nan", "inf", "[[1.0]]"]),
    "loss": (['"cross-entropy"', '["cross-entropy", "squared-error"]'], [], ['"hinge"', "3"]),
    "labels": (['"mixup"', '"onehot"'], ['"cutmix"'], ['"Y.npy"', "1"]),
    "multiplier": (["1.0"], ["0.0"], ["-1.0", "true"]),
    "dim": (["10"], [], ["1", "-3", "100000000000"]),
    "lam": (
        ["[0.3, 0.5]", "0.1"],
        ["[0.0, 1.0]"],
        ["[1.5]", "[nan]", "{ from = 0, to = 1, count = 1000000000 }"],
    ),
    "tol": (["1e-6"], ["1e-300"], ["0", "nan", "[1e-6]"]),
    "block": (["7", "64"], ["1"], ["0", "-1", "1e3"]),
}
BROKEN_TOML = (
    "classes = ",
    "= 3",
    "classes = 3\nclasses = 4",
    "[table]\nclasses = 3",
    "\x00",
    "speed = 3",
    "a = " + "[" * 3000,
)


def grid(rng) -> str:
    """The text of a grid."""
    if rng.random() < 0.08:
        return str(rng.choice(BROKEN_TOML))
    lines = [f"{name} = {pick(rng, values)}" for name, values in TOML.items() if rng.random() < 0.4]
    if not any(line.startswith("lam =") for line in lines):
        lines.append("lam = [0.3, 1.0]")
    return "\n".join(lines) + "\n"


def sweep(rng) -> list[str]:
    """A line of ufm.sweep; `write_files` has written its grid."""
    line = ["grid.toml" if rng.random() < 0.95 else "none.toml"]
    line += ["--dry-run"] if rng.random() < 0.3 else []
    line += ["--out", pick(rng, (["rows"], [], ["", "no/rows", "grid.toml"]))] if rng.random() < 0.2 else []
    return line + list(pick(rng, TAIL))


COMMANDS = {"solve": solve, "verify": verify, "compare": compare, "sweep": sweep}
SHARES = (0.45, 0.05, 0.25, 0.25)


def line(rng) -> tuple[str, list[str]]:
    """A command and its words."""
    name = str(rng.choice(list(COMMANDS), p=SHARES))
    return name, COMMANDS[name](rng)


def write_files(folder: Path, rng) -> None:
    """What a line may name, for three classes: arrays good and bad, activations, a grid."""
    Y = rng.dirichlet(np.ones(3), 5)
    W = rng.normal(size=(3, 4))
    arrays = {"Y": Y, "bad": Y * 2, "W": W, "zero": 0 * W, "nan": W * np.nan}
    arrays["steep"] = np.array([[0.0], [1.0], [-300.0]])
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "Y32.npy", Y.astype(np.float32))
    (folder / "grid.toml").write_text(grid(rng), encoding="utf-8")
    write_activations(folder, rng, W)


def write_activations(folder: Path, rng, W) -> None:
    """Files for ufm.compare, of 40 samples."""
    N, logits = 40, rng.normal(size=(9, 3))
    H, i, j, lam = rng.normal(size=(N, 4)), rng.integers(0, 3, N), rng.integers(0, 3, N), rng.random(N)
    held = {"logits": logits, "y_logits": logits.argmax(1)}
    files = {
        "pairs": {"H": H, "W": W, "b": np.zeros(3), "i": i, "j": j, "lam": lam, **held},
        "classes": {"H": H.astype(np.float32), "W": W.astype(np.float32), "y": i},
        "soft": {"H": H, "W": W, "Y": rng.dirichlet(np.ones(3), N), "lambda_w": 1e-3, "lambda_h": 1e-3},
        "one": {"H": H[:1], "W": W, "y": i[:1]},
        "zero": {"H": 0 * H, "W": 0 * W, "i": i, "j": j, "lam": lam},
        "bad": {"H": H, "W": W[:, :2], "y": i},
        "nan": {"H": H * np.nan, "W": W, "y": i},
        "short": {"H": H, "W": W},
        "object": {"H": H, "W": W, "y": np.array([None] * N, object)},
    }
    for name, arrays in files.items():
        np.savez(folder / f"{name}.npz", **arrays)
    (folder / "folder").mkdir()
    for name, array in files["pairs"].items():
        np.save(folder / "folder" / f"{name}.npy", array)
