"""Which tests are to catch a fault, by the beginning of the file's path; and survivors that change nothing."""


def of(file: str, *names: str) -> list[str]:
    """Tests of a file by name: the quick and sharp ones come first, as the first failure ends a run."""
    return [f"tests/{file}.py::test_{name}" for name in names]


def agrees(*names: str) -> list[str]:
    """Theorems held against their problems."""
    return ["--slow", *of("agree/test_checks", *(f"every_theorem_agrees[{name}]" for name in names))]


ANY_LABEL = of(
    "theory/test_theory",
    "one_bad_number_of_many_is_refused",
    "terms_of_a_divergence_are_those_of_its_sum",
    "the_derivative_of_grouped_labels_is_a_difference",
    "excess_logit_reaches_its_root",
    "any_soft_label",
    "solve_patterns_pads_and_unpads",
    "repeated_values_are_the_same_as_separate_classes",
)
TWO_HOT = of(
    "theory/test_theory",
    "what_a_label_of_two_classes_may_be",
    "two_hot_values",
    "two_classes_know_only_the_gap",
    "two_hot_squared_error",
    "same_class_is_the_r_lambert_root",
    "derivatives_in_lam_m_and_lambda_h",
    "derivatives_at_the_ends_are_finite_and_match_the_edge_formula",
)
PREDICTED = of(
    "theory/test_theory",
    "zero_multiplier_predicts_zero",
    "hypotheses_and_input_are_checked",
    "prediction_is_stationary",
    "all_pairs_at_once",
    "sensitivities_of_predictions",
    "pairs_and_soft_labels_predict_the_same",
    "the_fewest_dimensions_suffice",
    "stated_rounding_bound_of_pairs",
    "a_classifier_that_is_nearly_an_etf_widens_the_bound_enough",
    "one_long_row_moves_the_optimum_by_no_more_than_is_stated",
    "stated_bound_covers_what_squared_error_leaks_along_one",
    "nothing_leaks_along_one_under_cross_entropy",
)
MULTIPLIER = of(
    "theory/test_theory",
    "squared_error_multiplier_formula",
    "multiplier_needs_a_penalty_on_the_classifier",
    "no_slopes_of_a_trivial_multiplier_nor_without_mixing",
    "multiplier_of_one_hot_labels",
    "multiplier_of_smoothed_labels",
    "check_value_of_the_multiplier",
    "trivial_at_and_above_the_threshold_only",
    "a_product_that_equals_the_threshold_is_trivial",
    "limits_of_alpha",
    "slopes_of_the_multiplier",
)
ASSUMPTIONS = of("agree/test_checks", "each_assumption_is_needed_and_named")
OF_JOINT = (
    "joint-etf",
    "squared-error-joint",
    "trivial-threshold",
    "minority-collapse",
    "duality",
    "necessity",
)
CHECKED = [
    "--slow",
    "tests/theory/test_claims.py",
    *of(
        "agree/test_checks",
        "the_labels_of_mixup_are_counted_before_they_are_made",
        "merged_divergence_is_the_least_one",
        "a_multiplier_is_open_where_one_a_hundredth_away_does_as_well",
        "the_divergence_of_squared_error_is_half_the_square",
        "the_rounding_of_a_prediction_covers_its_error",
        "the_rounding_of_a_claim_grows_with_the_logits",
        "the_moment_decides_both_sides_and_only_beyond_its_rounding",
        "errors_are_relative_to_the_largest_prediction",
        "every_theorem_agrees[equalised-residuals]",
        "every_theorem_is_proved[equalised-residuals]",
        "every_theorem_is_proved[channel-limit]",
    ),
    *agrees(*OF_JOINT)[1:],
    *of("agree/test_checks", "minority_collapse_on_both_sides"),
]
WEIGHED = ["tests/agree/test_parts.py"]
JUDGED = of(
    "agree/test_agreement",
    "any_label_against_the_zero_classifier_is_uniform",
    "ball_arithmetic_finds_the_same_errors_in_the_same_unit",
    "two_classes_have_one_coefficient",
    "shown_numbers_are_those_of_the_feature",
    "the_worst_pair_is_reported",
    "batches_do_not_change_the_rows",
    "the_zero_optimum_agrees_absolutely",
    "truncated_solves_are_undecided_and_honest",
    "errors_are_relative_to_the_larger_of_feature_and_same_class_feature",
    "a_distorted_answer_fails",
    "ball_arithmetic_proves",
    "ball_arithmetic_contradicts_bounds_that_understate",
    "the_same_class_norm_is_found_in_batches",
)
PARTS = "tests/certify/test_parts.py"
BOUNDED = of(
    "certify/test_certificate",
    "bad_input",
    "a_part_outside_the_row_space_is_never_understated",
    "etf_gradient_norm_counts_the_part_outside_the_row_space",
    "bound_tends_to_the_true_distance",
    "multiplier_zero",
    "common_offset_of_isometric_coordinates_is_ignored",
    "labels_in_float32_are_not_the_labels",
    "an_etf_of_any_sharpness_has_an_honest_bound",
    "the_bound_closes_at_any_sharpness",
    "any_candidate_any_soft_label",
)
BOUNDED_ROWS = of(
    "certify/test_certificate",
    "a_part_outside_the_row_space_is_never_understated",
    "gradient_norm_is_that_of_the_objective",
    "batches_do_not_mix_features",
    "bound_tends_to_the_true_distance",
    "more_candidates_than_a_tile_holds_have_the_bounds_of_few",
    "the_bound_closes_for_ill_conditioned_classifiers",
    "ill_conditioned_hessians",
    "any_candidate_any_classifier",
    "a_gradient_whose_squares_underflow",
)
DUALS = of(
    "certify/test_duality",
    "bad_input_is_refused",
    "an_exact_sum_is_exact",
    "the_dual_value_is_the_formula",
    "the_slope_of_an_entropy_covers_what_rounding_moves",
    "the_free_bias_removes_the_mean",
    "a_class_that_no_label_names",
    "the_optimum_is_recognised",
    "the_bias_free_certificate_would_be_wrong_for_a_free_bias",
    "perturbed_optima",
    "rigorous_and_float_certificates_agree",
)
POLYGON = (
    "the_polygon_is_a_critical_point_and_its_objective_is_told",
    "a_polygon_beyond_its_threshold_is_a_point",
)
LOGITS = of(
    "certify/test_fitted",
    "logits_and_norms_of_the_etf_are_those_of_centred_coordinates",
    "the_rounding_of_large_logits_is_in_the_bound",
    "what_the_coordinates_leave_out_moves_logits",
)
SWEPT = [
    *of("agree/test_parts", "two_classes_of_a_sweep_know_their_gap_next_to_a_half"),
    *of(
        "commands/test_sweep",
        "every_row_is_there_and_agrees",
        "trivial_problems_are_zero",
        "the_rounding_of_the_closed_form_is_that_of_one_problem",
        "the_numbers_are_those_of_solve",
        "smoothed_mixtures_are_those_of_solve",
        "a_kernel_for_several_devices_is_sharded",
        "verdicts_of_arrays_are_those_of_judge",
        "columns_and_types",
        "dry_run_says_what_a_run_would_do",
        "other_problems_are_those_of_solve",
    ),
]
DRAWN = (
    "the_mean_of_a_root_of_a_sum_of_squares",
    "the_limit_of_many_draws_is_that_of_their_linear_response",
    "the_interval_of_a_mean_is_that_of_students_test",
    "drawn_labels_are_near_the_law",
)
READ = of(
    "network/test_in_memory",
    "what_is_refused_says_what_to_do",
    "labels_are_read_as_what_they_are",
    "two_classes_are_smoothed_only_if_all_labels_are",
    "smoothing_may_be_said_beside_the_classes",
    "classes_may_have_names",
    "arrays_of_any_kind_are_the_same_network",
    "one_mixing_weight_may_stand_for_all_rows_or_for_a_batch",
)
CERTIFIED = (
    "the_gap_is_over_the_certified_optimum_of_the_same_labels",
    "many_labels_are_binned_within_their_own_bound",
)
REDUCED = (
    "wide_features_are_read_twice_and_once_beside_clean_ones",
    "features_that_are_not_reduced_are_read_three_times",
    "reduced_coordinates_change_no_number",
)
COMPARED = [
    "--slow",
    *of(
        "network/test_compare",
        "the_whole_interval_decides",
        "the_worst_decisive_word_counts",
        "a_slope_is_not_held_against_one_that_is_not_known",
        "record_has_the_documented_fields",
        "a_fixed_etf_optimum_is_the_theory",
        "what_is_no_mixup_optimum_is_told_apart",
        "what_labels_without_mixed_inputs_cannot_test_is_not_applicable",
        "few_samples_decide_nothing",
        "smoothed_labels_say_why_there_is_no_geometry",
        "bad_flags_are_refused_before_the_file_is_read",
        "two_classes",
    ),
]
CHANNELS = [
    "--slow",
    *of(
        "network/test_channels",
        "bins_hold_their_lower_edge",
        "bad_settings_are_refused",
        "every_measure_equals_its_definition",
        "soft_two_hot_rows_count_and_others_are_skipped",
        "optimum_matches_prediction",
        "overall_is_one_bin",
        "a_bias_of_all_features_is_taken_out_by_the_mean",
        "samples_that_do_not_count_are_counted",
        "the_interval_of_the_amplification_knows_that_class_means_are_estimates",
    ),
]
RESAMPLED = [
    "--slow",
    *of(
        "network/test_channels",
        "an_interval_holds_the_central_level_of_the_replicates",
        "bootstrap_weights_are_poisson",
        "chunks_change_nothing",
    ),
    *of("network/test_fitting", "subsample_is_uniform_and_keeps_rows_together", "bad_input_is_refused"),
    *of(
        "network/test_channels", "samples_beyond_the_groups_join_them", "a_replicate_is_the_sum_of_its_draws"
    ),
    *of("network/test_channels", "intervals_cover_and_shrink"),
]
FITTED = [
    "--slow",
    *of(
        "network/test_fitting",
        "bad_input_is_refused",
        "every_r2_equals_its_definition",
        "a_is_found_over_seven_decades",
        "labels_of_many_classes_have_the_r2_of_its_definition",
        "a_step_beyond_the_range_ends_where_the_search_does",
        "closed_logits_of_all_kinds_of_labels_and_their_slope",
        "noise_and_zero_features",
        "squared_error_features_are_linear",
        "a_too_large_is_not_identified",
        "optimum_is_explained_in_full",
        "excess_is_zero_at_the_optimum_and_right_beside_it",
        "excess_with_a_bias_against_scipy",
        "bound_is_honest_when_the_solver_stops_early",
    ),
]
JOINT = of(
    "optimize/test_joint",
    "triviality_of_mixup_is_the_formula",
    "the_threshold_of_cyclic_pairs_is_the_eigenvalue",
    "smoothing_lowers_the_collapse_threshold",
    "one_hot_atoms_come_first",
    "bad_input_is_refused",
    "cyclic_pairs_break_the_etf",
    "one_hot_cross_entropy",
    "label_smoothing",
    "triviality_on_both_sides",
    "squared_error_without_bias_is_an_orthogonal_frame",
    "a_wrong_classifier_has_a_large_gap",
    "other_laws_are_solved_and_out_of_hypothesis",
)
DIAGNOSED = (
    "the_small_pieces_of_linear_algebra",
    "a_sample_is_rows_of_the_file",
    "without_logits_the_permutation_is_found_by_accuracy",
    "what_explains_the_logits_is_sure_and_what_is_likely_is_not",
)
SCOPE = (
    "every_theorem_has_relatives_and_each_is_told_from_both_sides",
    "a_list_is_narrowed_by_what_theorems_admit",
)
SCOPE += ("explain_tells_everything",)
SECOND = (
    "the_spectrum_is_that_of_the_arrays",
    "a_replicate_is_the_set_with_rows_counted_so_often",
    "how_a_set_is_cut_changes_no_interval",
    "what_costs_too_much_is_said",
    "many_classes_and_many_directions_cost_too",
    "fewer_samples_than_intervals_ask_for_are_told",
    "few_samples_have_neither",
    "thinned_rows_have_the_same_covariance",
)
PIECES = "tests/network/test_parts.py"
CLAIMED = ("soft-label", "same-class", "different-class", "two-classes", "bent-channel", "edge-slopes")
CLAIMED += ("squared-error-affine", "calibration", "strong-convexity")
DESIGNED = ("inverse-design", "balancing-smoothing", "group-smoothing", "superclass-collapse")
QUADRATIC = ("squared-imbalanced", "squared-bias", "regression", "polygon", "polygon-escape")
CLAIMS = [
    "--slow",
    "tests/theory/test_claims.py",
    *of(
        "agree/test_checks",
        *(f"lipschitz_constants[3-{a}-{name}]" for a in (0.1, 200.0) for name in CLAIMED[:-1]),
        "the_excess_over_the_gradient_bound_is_covered[3.0]",
    ),
]
SMALL = ["tests/theory/test_claims.py"]
T, C, A, N = "tests/theory/test_", "tests/certify/test_", "tests/agree/test_", "tests/network/test_"
KILLERS = {
    "ufm/theory/": [f"{T}closed_form.py"],
    "ufm/theory/features": [*ANY_LABEL, *TWO_HOT],
    "ufm/theory/predict": [f"{T}predict_joint.py", *PREDICTED],
    "ufm/theory/multiplier": [f"{T}slopes.py", *MULTIPLIER],
    "ufm/theory/sharpness": [f"{T}sharpness.py"],
    "ufm/theory/slopes": [f"{T}slopes.py"],
    "ufm/theory/response": [f"{T}closed_form.py", f"{T}slopes.py"],
    "ufm/theory/thresholds": [f"{C}zero.py", *JOINT],
    "ufm/theory/polygon": of("theory/test_predict_joint", *POLYGON),
    "ufm/theory/formulas/": [f"{T}formulas.py"],
    "ufm/theory/geometry/": [f"{T}design.py"],
    "ufm/theory/geometry/hierarchy": [f"{T}claims.py", f"{T}design.py"],
    "ufm/theory/geometry/susceptibility": [f"{T}susceptibility.py"],
    "ufm/theory/geometry/support": [f"{T}susceptibility.py"],
    "ufm/theory/geometry/hessian": [f"{T}collapse_hessian.py"],
    "ufm/theory/geometry/quadratic": [f"{T}quadratic.py"],
    "ufm/theory/geometry/onehot": [f"{T}onehot.py"],
    "ufm/theory/geometry/binary": [f"{T}binary_forms.py"],
    "ufm/theory/geometry/groups": [f"{T}groups.py"],
    "ufm/theory/geometry/own_penalties": [f"{T}own_penalties.py"],
    "ufm/theory/theorems/scope": of("commands/test_verify", *SCOPE),
    "ufm/theory/variants/": [f"{T}variants.py"],
    "ufm/theory/theorems/": CHECKED,
    "ufm/theory/theorems/fixed": [*CLAIMS, *agrees(*CLAIMED)],
    "ufm/theory/theorems/fixed_class": agrees("mid-channel-slope", "feature-curvature", "label-noise"),
    "ufm/theory/theorems/fixed_limits": [*SMALL, *agrees("channel-limit", "affine-limit", "many-classes")],
    "ufm/theory/theorems/fixed_support": agrees("support-size"),
    "ufm/theory/theorems/free/binary": agrees("bce", "bce-no-bias"),
    "ufm/theory/theorems/free/design": [*SMALL, *agrees(*DESIGNED)],
    "ufm/theory/theorems/free/groups": agrees("superclass-laws", "circulant-laws"),
    "ufm/theory/theorems/free/onehot": agrees(
        "onehot-ce", "label-smoothing", "residual-norm", "distillation"
    ),
    "ufm/theory/theorems/free/own_penalties": agrees("restored-temperatures", "multi-label"),
    "ufm/theory/theorems/free/quadratic": agrees(*QUADRATIC),
    "ufm/theory/theorems/free/response": [*SMALL, *agrees("susceptibility", "collapse-hessian")],
    "ufm/theory/theorems/variants/": ["--slow", *SMALL, f"{A}variants.py"],
    "ufm/theory/theorems/assumptions": ["--slow", *ASSUMPTIONS],
    "ufm/certify/": BOUNDED,
    "ufm/certify/local_bound": [PARTS, *BOUNDED],
    "ufm/certify/classifier": [PARTS, f"{C}zero.py"],
    "ufm/certify/explicit": [PARTS, *BOUNDED_ROWS],
    "ufm/certify/curvature": [PARTS, *BOUNDED_ROWS],
    "ufm/certify/dual": [PARTS, *DUALS],
    "ufm/certify/sample": DUALS,
    "ufm/certify/joint": [PARTS, *DUALS],
    "ufm/certify/variants": ["--slow", f"{A}variants.py"],
    "ufm/certify/values": [PARTS, f"{C}fitted.py"],
    "ufm/agree/": [f"{A}verdict.py", *WEIGHED, *JUDGED],
    "ufm/agree/kernel": [*LOGITS, *JUDGED],
    "ufm/agree/variants": ["--slow", f"{A}variants.py"],
    "ufm/agree/rigour": [f"{A}rigour.py"],
    "ufm/agree/joint": [f"{A}joint_problems.py", *JOINT],
    "ufm/agree/geometry": [*WEIGHED, *of("network/test_metrics", "every_metric_is_its_definition"), *JOINT],
    "ufm/agree/flatness": [*WEIGHED, *CHECKED],
    "ufm/agree/theorem": CHECKED,
    "ufm/agree/sweep/": SWEPT,
    "ufm/agree/finite_data": ["--slow", *WEIGHED, *of("agree/test_joint_problems", *DRAWN)],
    "ufm/network/": COMPARED,
    "ufm/network/optimum": [PIECES, "--slow", *of("network/test_in_memory", *CERTIFIED)],
    "ufm/network/given": READ,
    "ufm/network/diagnose/": [f"{N}diagnose_pieces.py", *of("network/test_diagnose", *DIAGNOSED)],
    "ufm/network/features": [*of("network/test_in_memory", *REDUCED), *COMPARED],
    "ufm/network/findings": [PIECES, *COMPARED],
    "ufm/network/suboptimality": [PIECES, *COMPARED],
    "ufm/network/moments": of("network/test_moments", *SECOND),
    "ufm/network/reduced": [PIECES, *of("network/test_in_memory", *REDUCED)],
    "ufm/network/resample": RESAMPLED,
    "ufm/network/read/": [f"{N}activations.py"],
    "ufm/network/read/activations": [PIECES, *READ, f"{N}activations.py"],
    "ufm/network/read/label_rows": [PIECES, *READ, f"{N}activations.py"],
    "ufm/network/read/ahead": [f"{N}ahead.py"],
    "ufm/network/read/label_law": [PIECES, *READ],
    "ufm/network/read/tidy": READ,
    "ufm/network/read/together": of("network/test_in_memory", *REDUCED),
    "ufm/network/collapse/": [f"{N}collapse.py"],
    "ufm/network/collapse/blocks": [f"{N}flat.py"],
    "ufm/network/collapse/conventions": [f"{N}metrics.py", f"{N}collapse.py"],
    "ufm/network/collapse/flat": [f"{N}flat.py"],
    "ufm/network/collapse/given": [f"{N}flat.py"],
    "ufm/network/collapse/metrics": [f"{N}metrics.py"],
    "ufm/network/collapse/statistics": [f"{N}metrics.py", f"{N}flat.py"],
    "ufm/network/measures/": CHANNELS,
    "ufm/network/measures/calibration": [f"{N}calibration.py"],
    "ufm/network/measures/fitting": FITTED,
    "ufm/network/measures/excess": [PIECES, *FITTED],
    "ufm/network/measures/curve": [f"{N}curve.py"],
    "ufm/network/measures/gap": [f"{N}stream_duality.py"],
    "ufm/network/measures/mixed": CHANNELS,
    "ufm/network/measures/quadratic": [f"{N}quadratic.py"],
}
SLACK = (
    "some units of rounding in a part of a bound whose sum is raised by a thousandth (`local_bound.SLACK`)"
)
WIDER = "a wider margin of rounding: as honest, and not seen beside the rest of the bound"
WORST = "part of a worst case of rounding that no sum of floats comes near: nothing computed tells"
LEAK = "it counts times the leak of the coordinates, some units of rounding, far below the slack of the rest"
UNUSED = "the other branch is taken there"
PACE = "how many are taken at a time, or how often: the numbers are the same"
BEGUN = "how a search goes on far from its end: it ends at the same root"
EDGE = "no number meets this limit to the last bit, and either side of it is sound there"
START = "which of two starts of one Gauss–Newton iteration; for the grid it is caught"
EQUIVALENT = {
    "theory/sharpness.py _solve: 0 → 1  in  (start, low, high, _start(labels, xp.exp(start), K), xp.inf, "
    "0)": "of at most 80 steps one fewer; four to ten are taken",
    "theory/closed_form.py closed_form_features: 1.0 → 2.0  in  jnp.where(sharp, scale, 1.0)": UNUSED,
    "theory/features.py _two_hot_jvp: 0 → 1  in  (..., 0) (4)": "JAX takes the last entry for one beyond the end",
    "theory/implicit.py moment: USub → nothing  in  -1": "of two axes the last is the second",
    "theory/predict.py predict_pairs: min → max  in  np.asarray(z).min": "2 max|z| + 2 max z ≥ Σ|x_k| as well",
    "theory/predict.py _trivial: Mult → Div  in  0 * uniform": "0 all the same",
    "certify/explicit.py _range_ratio: Add → Sub  in  jnp.max(jnp.linalg.norm(B - jnp.mean(B, 0), axis=1)) + "
    "space.error * j": SLACK,
    "certify/explicit.py _sizes: Add → Sub  in  wrong + h.error * jnp.sum(s * jnp.abs(step), 0) ** 2 "
    "+ 2.0 * EPS * jnp": SLACK,
    "certify/local_bound.py probability_error: 2.0 → 4.0  in  2.0 * logit_error": WIDER,
    "certify/local_bound.py probability_error: 2.0 → 4.0  in  2.0 * K": WIDER,
    "certify/features.py _certify_etf: 8.0 → 16.0  in  8.0 * unit": WIDER,
    "certify/explicit.py _inside: Add → Sub  in  here + a * jnp.sqrt(K) * norm(s) * bound": LEAK,
    "certify/curvature.py hessians: Add → Sub  in  r + 6.0": WORST,
    "theory/slopes.py _slope: Add → Sub  in  1 + a * jnp.abs(along_a.apart)": WORST,
    "theory/multiplier.py _moments: 1.0 → 2.0  in  np.abs(scores) + 1.0": WIDER,
    "network/moments.py add: 1 → 2  in  self.share < 1": "all keys are below 1",
    "network/moments.py add: Lt → LtE  in  subsample_keys(start, len(weight), self.seed) < self.share": EDGE,
    "network/resample.py add: Mult → Div  in  2 * self.size": PACE,
    "network/diagnose/noise.py unexplained: GtE → Gt  in  rho >= RELATED": EDGE,
    "network/measures/directions.py : 1e-12 → 2e-12  in  RANK = 1e-12": EDGE,
    "certify/explicit.py : 64 → 128  in  TILE = 64": PACE,
    "agree/features.py __init__: 4 → 8  in  max(4, int(np.ceil(np.log2((count or cases.count) "
    "/ mesh.size))))": PACE,
    "theory/sharpness.py unfinished: Gt → GtE  in  xp.abs(state[-2]) > 1e-07": EDGE,
    "theory/variants/losses.py ordinal_optimum: Lt → LtE  in  low < LEAST": EDGE,
    "theory/variants/ray.py ray_gap: Mult → Div  in  2 * start": BEGUN,
    "theory/geometry/own_penalties.py _gaps: Lt → LtE  in  excess(high) < 0": BEGUN,
    "theory/geometry/groups.py features: 1.5 → 3.0  in  np.maximum(beta, 1.5)": BEGUN,
    "theory/theorems/free/onehot.py _symmetric_teacher: LtE → Lt  in  np.ptp(law.probabilities) <= 16 * EPS": EDGE,
    "theory/theorems/free/own_penalties.py set_law: max → min  in  weights[own].max": EDGE,
    "network/measures/fitting.py _best_sharpness: 0 → 1  in  misfit(log_a)[0]": START,
    "network/measures/excess.py _rounding: Add → Sub  in  2 * np.sqrt(K) * logits + 2": WORST,
}
