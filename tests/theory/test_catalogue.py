"""The field's closed forms, row by row: each is a theorem here, and evidence is called so; none is missing."""

from ufm.theory.theorems.catalogue import THEOREMS

# rows of the list of known results, by their names there
KNOWN = {
    "onehot-ce": ["onehot-ce"],
    "label-smoothing": ["label-smoothing"],
    "smoothed-mixup-threshold": ["trivial-threshold"],
    "minority-bias": ["minority-collapse"],
    "norm-constrained": ["norm-constrained"],
    "layer-peeled": ["layer-peeled"],
    "bce": ["bce"],
    "bce-no-bias": ["bce-no-bias"],
    "relu-features": ["relu-features"],
    "mse-orthogonal, imbalanced": ["squared-imbalanced"],
    "mse-bias-transition": ["squared-bias"],
    "multi-label": ["multi-label"],
    "regression": ["regression"],
    "focal branch": ["focal"],
    "K-gon": ["polygon"],
    "softmax codes": ["softmax-codes"],
    "deep-linear-ce": ["deep-linear-ce"],
    "deep-linear-mse": ["deep-linear-mse"],
    "supcon": ["supcon"],
    "ordinal": ["ordinal"],
    "SELI": ["seli"],
    "support-SVM": ["support-svm"],
    "restored-etf-temperatures": ["restored-temperatures"],
    "distillation, noise, shared features": ["label-noise", "distillation"],
    "mse/ce ray dynamics": ["ce-ray", "mse-ray"],
    "fixed-etf conditioning": ["feature-curvature"],
    "mid-channel slope": ["mid-channel-slope"],
    "hierarchical-mixup": ["superclass-laws"],
}
# new ones: inverse design and its corollaries, three susceptibilities, budgets, support sizes and a companion
NEW = {
    "2.1 inverse design": ["inverse-design"],
    "2.1 A cure of imbalance": ["balancing-smoothing"],
    "2.1 B group-invariant smoothing": ["group-smoothing"],
    "2.1 C superclass collapse": ["superclass-collapse"],
    "2.2 (a) perturbed law": ["susceptibility"],
    "2.2 (b) drawn labels": ["susceptibility"],
    "2.2 (c) one-hot, elementary": ["susceptibility", "seli"],
    "2.2 (d) whole Hessian": ["collapse-hessian"],
    "minority collapse under budgets": ["layer-peeled-minority"],
    "logit adjustment": ["logit-adjustment"],
    "multipliers of each irreducible block": ["joint-etf", "superclass-laws", "circulant-laws"],
    "2.3 support size": ["support-size"],
    "2.3 residual norm": ["residual-norm"],
}
# whose optimality is numerical evidence, and whose title must say so
NUMERICAL = {"polygon", "deep-linear-ce", "focal"}


def missing(rows, theorems) -> list[str]:
    """Rows one of whose theorems does not exist, or that name none."""
    return [row for row, names in rows.items() if not names or not set(names) <= set(theorems)]


def test_every_row_is_a_theorem():
    assert len(KNOWN) == 28 and len(NEW) == 13
    assert missing(KNOWN | NEW, THEOREMS) == []


def test_a_row_that_is_missing_is_found():
    assert missing({"row": ["no-such-theorem"], "none": []}, THEOREMS) == ["row", "none"]


def test_evidence_is_called_so():
    said = {name for name, theorem in THEOREMS.items() if "numerical evidence" in theorem.title}
    assert said == NUMERICAL
