"""Every promise has a test that runs without --slow: what somebody changes is not first heard of in CI."""

import re
from pathlib import Path

from tests.conftest import DEFAULT, LISTED
from tests.house.test_walls import MAY
from ufm.agree.verdict import EXIT_CODES, ORDER
from ufm.commands.console import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
# What is promised, and a test that holds it; of a test without brackets one case has to run.
PROMISED = {
    "command solve": "commands/test_solve::test_exit_0_when_all_agree",
    "command verify": "commands/test_verify::test_a_whole_run",
    "command compare": "network/test_compare::test_record_has_the_documented_fields",
    "command sweep": "commands/test_sweep::test_every_row_is_there_and_agrees",
    "command conjecture": "refute/test_conjecture::test_at_the_threshold_itself_nothing_is_decided",
    "command explore": "explore/test_command::test_the_page_is_written_and_it_is_said_where",
    "verdict agrees": "agree/test_verdict::test_a_small_error_within_small_bounds_agrees",
    "verdict proved": "agree/test_agreement::test_ball_arithmetic_proves",
    "verdict fails": "agree/test_agreement::test_a_wrong_formula_fails",
    "verdict undecided": "agree/test_verdict::test_a_stalled_solve_is_undecided_with_its_reason_even_at_zero_error",
    "verdict out of hypothesis": "agree/test_verdict::test_a_violated_assumption_is_named_and_no_claim_is_judged",
    "exit code 0": "commands/test_solve::test_exit_0_when_all_agree",
    "exit code 1": "commands/test_solve::test_exit_1_for_a_wrong_theory",
    "exit code 2": "commands/test_solve::test_bad_input_is_one_clear_message",
    "exit code 3": "commands/test_solve::test_exit_3_for_a_truncated_solve",
    "exit code 70": "commands/test_defects::test_a_defect_is_exit_code_70_and_says_how_to_report_it",
    "room rules": "rules/test_checked::test_what_is_bad_is_refused_by_name",
    "room loss": "optimize/test_objective::test_curvature_is_the_hessian",
    "room model": "model/test_labels::test_draws_follow_the_law",
    "room enclose": "enclose/test_enclosure::test_features_hold_the_oracle",
    "room runtime": "runtime/test_programs::test_a_kept_program_is_not_traced_again",
    "room optimize": "optimize/test_newton::test_newton_ends_at_the_optimum_from_zero",
    "room theory": "theory/test_theory::test_prediction_is_stationary",
    "room certify": "certify/test_certificate::test_any_candidate_any_classifier",
    "room agree": "agree/test_agreement::test_numeric_is_analytic_for_any_pair",
    "room refute": "refute/test_conjecture::test_false_claims_are_refuted_and_shrunk",
    "room network": "network/test_diagnose::test_a_mistake_is_told_by_its_name_and_nothing_else",
    "room output": "output/test_printing::test_no_number_of_a_row_is_cut",
    "room pictures": "pictures/test_plot::test_numerical_points_lie_on_the_drawn_curves",
    "room report": "report/test_runs::test_page_and_picture",
    "room collect": "collect/test_tracker::test_a_row_has_what_the_measures_say",
    "room explore": "explore/test_values::test_optima_of_mixed_labels_are_those_of_the_theory",
    "room commands": "commands/test_arguments::test_what_is_wrong_is_said_before_any_work",
    "compare": "network/test_compare::test_a_fixed_etf_optimum_is_the_theory",
    "channels": "network/test_channels::test_optimum_matches_prediction",
    "fitting": "network/test_fitting::test_optimum_is_explained_in_full",
    "pictures": "pictures/test_plot::test_pairs_have_three_panels_nine_pairs_and_a_colour_bar",
    "mixed precision": "runtime/test_precision::test_refined_features_are_those_of_float64",
    "proofs": "proofs/test_proofs_features::test_every_symbolic_step_holds",
    "refuter": "proofs/test_refute::test_each_planted_claim_is_refuted_and_shrunk_to_a_small_case_that_still_fails",
    "a certificate never understates": "certify/test_certificate::test_any_candidate_any_soft_label",
    "a joint certificate never understates": "certify/test_duality::test_perturbed_optima",
    "the joint problem": "agree/test_joint_problems::test_the_routes_agree",
    "the catalogue": "theory/test_catalogue::test_every_row_is_a_theorem",
    "true claims stand": "refute/test_conjecture::test_true_claims_stand",
    "tables are of a fresh run": "proofs/test_tables::test_data_edited_and_rendered_anew_contradicts_a_fresh_run",
    "Coq reads what is shipped": "proofs/test_formal::test_the_shipped_equations_are_the_committed_ones",
    "the routes know nothing of each other": "house/test_walls::test_walls_hold",
    "pages print what they say": "house/test_pages::test_a_page_prints_what_it_says",
    "a dataset is whole or continued": "output/test_dataset::test_only_what_is_missing_or_damaged_is_solved_again",
    "several processes": "runtime/test_distributed::test_processes_give_the_rows_of_one",
    "memory is counted before it is taken": "commands/test_memory::test_giants_are_refused_with_their_size",
}


def name_of(place: str) -> str:
    file, _, test = place.partition("::")
    return f"tests/{file}.py::{test}"


def broken(promised: dict[str, str], default: frozenset[str]) -> list[str]:
    """Promises of files that were collected none of whose cases runs without an option."""
    files = {name.split("::")[0] for name in default}
    kept = default | {name.split("[")[0] for name in default}
    wanted = {promise: name_of(place) for promise, place in promised.items()}
    return [promise for promise, name in wanted.items() if name.split("::")[0] in files and name not in kept]


def needed() -> set[str]:
    """Promises by their words: commands, verdicts, exit codes, rooms, and what tests are marked with."""
    marked = re.compile(r'mark\.promise\("([^"]+)"\)')
    found = {
        word
        for path in (ROOT / "tests").rglob("test_*.py")
        for word in marked.findall(path.read_text("utf-8"))
    }
    found |= {f"command {name}" for name in COMMANDS} | {f"verdict {word}" for word in ORDER}
    codes = {0, 2, 70, *EXIT_CODES.values()}
    return found | {f"exit code {code}" for code in codes} | {f"room {room}" for room in MAY}


def test_every_promise_has_a_test_in_the_default_run(request):
    default = request.config.stash[DEFAULT]
    assert request.node.nodeid in default
    assert broken(PROMISED, default) == []


def test_the_table_has_every_command_verdict_exit_code_and_room():
    assert needed() - set(PROMISED) == set()


def test_files_of_the_table_are_there_and_have_the_test():
    """Also where a single file is collected."""
    for place in PROMISED.values():
        file, _, test = name_of(place).partition("::")
        assert f"def {test.split('[')[0]}(" in (ROOT / file).read_text("utf-8"), place


def test_a_promise_that_waits_or_has_no_test_is_found(request):
    default = request.config.stash[DEFAULT]
    own, file = request.node.nodeid, "house/test_promises::test_"
    assert broken({"gone": f"{file}gone", "here": own[6:].replace(".py", "")}, default) == ["gone"]
    assert broken({"waits": own[6:].replace(".py", "")}, default - {own}) == ["waits"]
    case = next(name for name in sorted(LISTED["slow"]) if "[" in name)
    sibling, place = f"{case.split('[')[0]}[other]", case.split("[")[0][6:].replace(".py", "")
    assert broken({"kept": place}, frozenset({sibling})) == []
    assert broken({"lost": place}, frozenset({f"{case.split('::')[0]}::test_other"})) == ["lost"]
    assert case not in default
