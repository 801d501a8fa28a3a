"""The problem itself, without JAX: frame, label laws, quadrature, atoms, cases, grids. Both routes share this room,
so an error here is invisible to their agreement: it has checks of its own (`experiments/minimal.py`).

    etf         the simplex equiangular tight frame
    laws        label laws: mixup, CutMix, K-way, smoothing, one-hot
    quadrature  rules for the integrals of the mixing weight
    roots       a bracketed scalar root
    cases       which labels are solved, and their rows of a table
    problem     Problem: one immutable, checked value
    penalties   published objectives in the average convention
    grid        a grid of problems, cut into blocks
    atoms       finite laws, and the joint problem on them
    rows        the row space of any W, without losing a digit
    variants/   problems of another shape: other constraints, factors, losses; laws by orbits, or by labels
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "atoms": (
            "DENSE FiniteLaw JointProblem Point drawn_law finite_law given_lam is_convex is_dense kway_nodes "
            "multi_label with_penalties"
        ),
        "cases": "LabelCases OrbitCases PairCases check_choice choose_cases choose_lam",
        "etf": (
            "contrasts etf_basis etf_deviation etf_multiplier frame_distance gain sharpness simplex_etf "
            "unit_scale write_contrasts zero_features"
        ),
        "grid": "AXES Block Columns Grid Group UNMIXED Words make_law",
        "laws": (
            "LabelLaw PAIRS Patterns cutmix fineness kway label_variance mixing_rule mixup onehot pattern_rule "
            "smooth soft"
        ),
        "penalties": "Convention Penalties per_batch",
        "problem": "Problem",
        "quadrature": "DROP PANEL REACH beta_rule edge_gauss panels",
        "roots": "bracketed_root",
        "rows": "EPS RowSpace row_space",
        "variants.orbits": "OrbitLaw OrbitProblem orbit_law",
        "variants.problem": (
            "COUNTS LABELS LOSS PENALTIES READS VARIANTS Variant VariantProblem margins read_variant"
        ),
        "variants.reading": "is_exchangeable read_law",
    },
)
