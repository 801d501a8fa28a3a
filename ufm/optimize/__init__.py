"""Numerical optima by autodiff, from zero and blind: never reaches `ufm.theory`, `ufm.certify`, `ufm.enclose`.

features     solve_features: optimal features for a given W
implicit     optimal_features: the same as a traced function, with derivatives
joint        solve_joint: W, features and bias together
implicit_gram  optimal_gram: the joint optimum likewise
gram         the joint problem as a convex one in G, d ≥ K − 1
coordinates  isometric coordinates of W's row space
many/        the same for many classes, without a matrix a label, or by symmetry
newton       Newton's method, convergent from every start
line_search  how far along a step, for many features at once or for one objective
descent      first-order methods
factor       small factorisations without a library call
variants/    solve_variant: problems of another shape, from several starts
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "coordinates": "Conditioned Isometric Reduced reduce_classifier",
        "features": (
            "Frame METHODS chunk_size etf_coordinates frame minimise minimise_share require_dtype solve_features "
            "static_options tile_size"
        ),
        "implicit": "FeatureOptimum optimal_features optimal_features_etf",
        "implicit_gram": "GramOptimum optimal_gram",
        "joint": "JointSolution fit_classifier solve_joint",
        "newton": "descend_newton",
        "variants.flow": "flow",
        "variants.models": "VariantSolution evaluate_variant solve_variant",
    },
)
