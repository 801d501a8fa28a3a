"""The command python -m ufm.verify: its table, record, exit codes and bad input, and how it reads."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import ufm.commands.runs.verify
import ufm.theory.theorems.fixed
from tests.children import refused, strict
from tests.house.test_words import without_numbers
from ufm.agree.verdict import Verdict
from ufm.commands import console, frame, verify
from ufm.model.laws import mixup
from ufm.model.problem import Problem
from ufm.model.variants.problem import READS, VARIANTS, Variant
from ufm.output.formulas import plain, readable
from ufm.rules.errors import InputError
from ufm.theory.geometry.own_penalties import restoring_temperatures
from ufm.theory.theorems import scope
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import FeatureClaim, Setting

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--classes", "3", "--lam", "0.3,0.5")
WORDS = {"agrees", "proved", "fails", "undecided", "out of hypothesis"}
ROW = {"name", "predicted", "numeric", "error", "bound", "theory_bound", "verdict", "reason"}
NUMBERS = ("predicted", "numeric", "error", "bound", "theory_bound")


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(call_main):
    """The command in this process: (exit code, stdout, stderr)."""
    return partial(call_main, verify.main)


@pytest.fixture
def record(run):
    """The JSON record of a run that ended with the expected code, on standard output and nothing else there."""

    def call(*argv, code=0):
        found, out, err = run(*argv, "--json", "-")
        assert found == code, err
        return strict(out)

    return call


@pytest.fixture
def quick(monkeypatch):
    """No theorem is checked: each comes out as the test says, by name (default: out of hypothesis)."""
    words: dict = {}

    def check(theorem, setting, *, rigorous=False):
        word = words.get(theorem.name, "out of hypothesis")
        numbers = (None,) * 5 if word == "out of hypothesis" else (1.0, float("nan"), 1e-9, 1e-8, 1e-13)
        return ufm.commands.runs.verify.Check(
            theorem.name, *numbers, Verdict(word, f"reason of {theorem.name}")
        )

    monkeypatch.setattr(ufm.commands.runs.verify, "check_theorem", check)
    return words


@pytest.fixture
def never(monkeypatch):
    """Any work is an error."""

    def check(*args, **more):
        raise AssertionError("work was begun")

    monkeypatch.setattr(ufm.commands.runs.verify, "check_theorem", check)


# --- a whole run ------------------------------------------------------------------------------------------


def test_a_whole_run(run):
    """Table of those that apply, names of the others under their reasons, all within 80 columns; exit code 0."""
    code, out, err = run(*SMALL)
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80, [line for line in lines if len(line) > 80]
    table, folded = out.split("do not apply:")
    for name in THEOREMS:
        shown = sum(line.startswith(f"{name} ") for line in table.splitlines())
        assert shown + len(re.findall(rf"[:,]\s+{name}(?=,|\n)", folded)) == 1, name
    assert lines[0] == "theorems on 3 classes, 3 dimensions, cross-entropy"
    words = " ".join(folded.split())
    assert "K = 3, not 2: two-classes" in words
    assert "the loss is cross-entropy, not squared error: squared-error-affine, squared-error-joint" in words
    assert "class weights: minority-collapse" in words
    assert lines[-1] == "verdict on those that apply: agrees" and not without_numbers(out)
    applied = sum(line.rstrip().endswith(" agrees") and line.split()[0] in THEOREMS for line in lines)
    assert applied >= 12 and f"{applied} of {len(THEOREMS)} theorems apply" in err


def test_the_record_of_a_whole_run(record):
    data = record(*SMALL)
    assert set(data) == {"schema", "problem", "theorems", "summary", "provenance"}
    assert data["schema"] == 1
    assert {"classes", "dim", "multiplier", "sharpness", "lambda_w", "lambda_h"} <= set(data["problem"])
    assert {"loss", "labels", "alpha", "pairs", "bias", "lam", "multiplier_source"} <= set(data["problem"])
    assert data["problem"]["lam"] == [0.3, 0.5] and data["problem"]["bias"] is None
    assert [row["name"] for row in data["theorems"]] == list(THEOREMS)
    applied = 0
    for row in data["theorems"]:
        assert set(row) >= ROW and row["verdict"] in WORDS and row["reason"]
        applied += row["verdict"] != "out of hypothesis"
        if row["verdict"] == "out of hypothesis":
            assert [row[key] for key in NUMBERS] == [None] * 5
        else:
            assert row["error"] <= row["bound"] + row["theory_bound"]
    assert data["summary"] == {"count": applied, "verdict": "agrees"}
    assert applied >= 12
    assert data["provenance"]["command"] == ["python", "-m", "ufm.verify", *SMALL, "--json", "-"]
    assert {"ufm", "jax", "numpy", "python"} <= set(data["provenance"]["versions"])


@pytest.mark.slow
def test_rigorous_proves(record):
    data = record(*SMALL, "--rigorous")
    assert data["summary"]["verdict"] == "proved"
    assert {row["verdict"] for row in data["theorems"]} == {"proved", "out of hypothesis"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "argv, applies",
    [
        (("--classes", "4", "--weights", "0.4,0.4,0.1,0.1"), {"minority-collapse"}),
        (("--classes", "4", "--pairs", "cyclic"), {"necessity"}),
        (("--classes", "2"), {"two-classes", "joint-etf"}),
        (("--classes", "3", "--loss", "squared-error", "--bias", "free"), {"squared-error-joint"}),
        (("--classes", "3", "--labels", "cutmix"), {"joint-etf", "different-class"}),
        (("--classes", "3", "--labels", "smoothing"), {"joint-etf"}),
        (("--classes", "3", "--lambda-w", "1", "--lambda-h", "1"), {"trivial-threshold"}),
    ],
)
def test_other_settings(record, argv, applies):
    data = record(*argv, "--lam", "0.3,0.5")
    words = {row["name"]: row["verdict"] for row in data["theorems"]}
    assert set(words.values()) == {"agrees", "out of hypothesis"}
    assert {words[name] for name in applies} == {"agrees"}


@pytest.mark.slow
def test_a_wrong_theorem_is_exit_1(run, monkeypatch):
    exact = ufm.theory.theorems.fixed.two_hot_optimum

    def wrong(*args):
        best = exact(*args)
        return best._replace(x_i=best.x_i * (1 + 1e-6))

    monkeypatch.setattr(ufm.theory.theorems.fixed, "two_hot_optimum", wrong)
    code, out, _ = run(*SMALL)
    assert code == 1 and out.splitlines()[-1] == "verdict on those that apply: fails"
    assert any(
        line.startswith("same-class ") and line.rstrip().endswith("fails") for line in out.splitlines()
    )
    assert "exceeds both bounds" in out


# --- verdicts, exit codes, table, record: without the work -------------------------------------------------


@pytest.mark.parametrize(
    "words, code, overall",
    [
        (("agrees", "agrees"), 0, "agrees"),
        (("proved", "proved"), 0, "proved"),
        (("proved", "agrees"), 0, "agrees"),
        (("agrees", "undecided"), 3, "undecided"),
        (("undecided", "fails"), 1, "fails"),
        (("fails", "agrees"), 1, "fails"),
        ((), 0, "out of hypothesis"),
    ],
)
def test_exit_codes(run, quick, words, code, overall):
    quick.update(zip(("duality", "soft-label"), words))
    found, out, err = run(*SMALL)
    assert found == code
    assert out.splitlines()[-1] == f"verdict on those that apply: {overall}"
    assert f"{len(words)} of {len(THEOREMS)} theorems apply" in err


def test_reasons_are_printed_for_all_that_do_not_agree(run, quick):
    quick.update(
        {"duality": "agrees", "soft-label": "undecided", "same-class": "fails", "necessity": "proved"}
    )
    _, out, _ = run(*SMALL)
    for name in THEOREMS:
        assert (f"{name}: reason of {name}" in out) == (name in ("soft-label", "same-class"))
        applied = name in ("duality", "necessity", "soft-label", "same-class")
        assert (f"  reason of {name}: {name}\n" in out) == (not applied)


def test_theorems_out_of_hypothesis_are_folded_by_their_reason(run, quick, monkeypatch):
    def check(theorem, setting, *, rigorous=False):
        return ufm.commands.runs.verify.Check(
            theorem.name, *(None,) * 5, Verdict("out of hypothesis", "all alike")
        )

    monkeypatch.setattr(ufm.commands.runs.verify, "check_theorem", check)
    _, out, _ = run(*SMALL)
    assert out.count("all alike") == 1 and f"{len(THEOREMS)} do not apply:" in out
    assert " ".join(out.split()).count(f"all alike: {', '.join(THEOREMS)}") == 1


def test_a_loss_of_a_free_classifier_alone_is_judged(record, run):
    """Binary cross-entropy: what is on a fixed classifier does not apply, what is on a free one is solved."""
    argv = ("--classes", "3", "--loss", "binary-cross-entropy", "--labels", "smoothing", "--bias", "free")
    data = record(*argv)
    words = {row["name"]: row["verdict"] for row in data["theorems"]}
    assert data["problem"]["loss"] == "binary-cross-entropy" and data["summary"]["verdict"] == "agrees"
    assert {name for name, word in words.items() if word != "out of hypothesis"} == {"bce"}
    assert words["bce"] == "agrees"


def test_labels_with_penalties_of_their_own(record, run):
    """The temperatures that restore an ETF; without them, and with one that is off, the theorem does not apply."""
    np.save("Y.npy", np.eye(3))
    q = np.array([0.5, 0.3, 0.2])
    delta = restoring_temperatures(q, 1.0, 5e-4, 5e-4).upper
    argv = ("--classes", "3", "--labels", "Y.npy", "--weights", "0.5,0.3,0.2")
    numbers = ",".join(repr(float(value)) for value in delta**-2)
    data = record(*argv, "--rho", numbers)
    words = {row["name"]: row["verdict"] for row in data["theorems"]}
    assert words["restored-temperatures"] == "agrees" and data["problem"]["rho"] == (delta**-2).tolist()
    assert words["duality"] == "out of hypothesis"
    for other in ((), ("--rho", "1,1,1")):
        assert run(*argv, *other, "--json", "a.json")[0] == 0
        rows = {row["name"]: row for row in strict(Path("a.json").read_text())["theorems"]}
        assert rows["restored-temperatures"]["verdict"] == "out of hypothesis"
        assert (rows["duality"]["verdict"] == "agrees") == (other == ())


def test_numbers_that_are_absent_or_not_finite_are_null(run, quick):
    quick.update({"duality": "agrees"})
    _, out, _ = run(*SMALL, "--json", "-")
    rows = {row["name"]: row for row in strict(out)["theorems"]}
    assert rows["duality"]["numeric"] is None and rows["duality"]["error"] == 1e-9
    assert [rows["necessity"][key] for key in NUMBERS] == [None] * 5


@pytest.mark.parametrize(
    "argv",
    [
        ("--classes", "20", "--multiplier", "1e20"),
        ("--classes", "12", "--multiplier", "1e-30", "--weights", ",".join(["0.05"] * 10 + ["0.25"] * 2)),
        ("--classes", "4", "--weights", "0.123456789,0.376543211,0.25,0.25", "--lambda-w", "1.23456789e-7"),
        ("--classes", "3", "--labels", "kway", "--ways", "4", "--smoothing", "0.123456789", "--bias", "0.1"),
    ],
)
def test_the_table_fits_80_columns(run, quick, argv):
    quick.update(dict.fromkeys(THEOREMS, "undecided"))
    _, out, _ = run(*argv)
    assert max(map(len, out.splitlines())) <= 80


def test_where_no_multiplier_is_optimal_one_is_taken_and_said(run, record, quick):
    quick.update({"same-class": "agrees"})  # the fixed ETF is shown where a theorem on it applies
    _, out, _ = run("--classes", "3", "--weights", "0.6,0.2,0.2")
    assert "give --multiplier" in out
    data = record("--classes", "3", "--weights", "0.6,0.2,0.2")
    assert data["problem"]["multiplier"] == 1.0
    assert record("--classes", "3", "--multiplier", "0.7")["problem"]["multiplier"] == 0.7


def test_default_mixing_weights(record, quick):
    assert record("--classes", "3")["problem"]["lam"] == [0, 1e-6, 0.1, 0.3, 0.5, 0.9, 1]


def test_a_dimension_below_an_etf_concerns_the_free_classifier_only(record, run, monkeypatch):
    seen = []

    def check(theorem, setting, *, rigorous=False):
        seen.append((setting.problem.dim, setting.joint.dim))
        return ufm.commands.runs.verify.Check(
            theorem.name, *(None,) * 5, Verdict("out of hypothesis", "none")
        )

    monkeypatch.setattr(ufm.commands.runs.verify, "check_theorem", check)
    code, _, _ = run("--classes", "5", "--dim", "2")
    assert code == 0 and set(seen) == {(4, 2)}


# --- files ------------------------------------------------------------------------------------------------


def test_json_to_a_file(run, quick):
    quick.update({"duality": "agrees"})
    code, out, _ = run(*SMALL, "--json", "a.json")
    assert code == 0 and "verdict on those that apply" in out
    assert os.listdir() == ["a.json"]
    written = strict(Path("a.json").read_text())
    assert [row["name"] for row in written["theorems"]] == list(THEOREMS)
    assert written["summary"] == {"count": 1, "verdict": "agrees"}


def test_the_record_is_written_whatever_the_verdict(run, quick):
    quick.update({"duality": "fails"})
    assert run(*SMALL, "--json", "a.json")[0] == 1
    assert strict(Path("a.json").read_text())["summary"]["verdict"] == "fails"


@pytest.mark.parametrize(
    "path, word", [("no/a.json", "cannot be written"), (".", "directory"), ("", "file name")]
)
def test_an_unwritable_path_is_found_before_the_work(run, never, path, word):
    refused(run(*SMALL, "--json", path), "--json", word)


def test_a_run_that_fails_midway_leaves_no_file(run, never):
    code, _, err = run(*SMALL, "--json", "a.json")
    assert code == 70 and "work was begun" in err
    assert os.listdir() == []


def test_an_interrupted_run_leaves_no_file(run, monkeypatch):
    def interrupt(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(ufm.commands.runs.verify, "check_theorem", interrupt)
    code, _, err = run(*SMALL, "--json", "a.json")
    assert code == 130 and "interrupted" in err
    assert os.listdir() == []


# --- what is said of the problem, and what is not -----------------------------------------------------------


@pytest.mark.parametrize(
    "argv, said, unsaid",
    [
        ((), {"bias none", "fixed ETF", "cross-entropy"}, set()),
        (("--bias", "free"), {"bias free"}, {"fixed ETF"}),
        (("--bias", "0.3"), {"bias lambda_b 0.3"}, {"fixed ETF"}),
        (("--loss", "binary-cross-entropy"), {"binary-cross-entropy", "bias none"}, {"fixed ETF"}),
        (("--variant", "focal=2"), {"problem", "lambda_W", "labels"}, {"fixed ETF", "bias", "entropy"}),
        (("--variant", "norm-constrained=1,2"), {"labels", "cross-entropy"}, {"fixed ETF", "bias", "lambda"}),
        (("--variant", "softmax-codes"), {"problem"}, {"fixed ETF", "bias", "lambda", "entropy", "labels "}),
    ],
)
def test_the_header_says_what_applies(run, quick, argv, said, unsaid):
    """A fixed classifier has no bias; what a problem of another shape does not read is not shown."""
    fixed = not argv
    quick.update({name: "agrees" for name in ("joint-etf", *(["soft-label"] if fixed else []))})
    _, out, _ = (
        run("--classes", "3", "--labels", "onehot", *argv) if "softmax-codes" not in argv else run(*argv)
    )
    head = out.split("\n\n")[0]
    assert all(words in head for words in said) and not any(words in head for words in unsaid), head


def test_a_bias_leaves_no_theorem_on_a_fixed_classifier():
    setting = Setting(Problem(classes=3, multiplier=1.0, lambda_h=0.01, lambda_w=0.01, law=mixup(1.0)))
    for theorem in THEOREMS.values():
        if isinstance(theorem.claim, FeatureClaim):
            assert theorem.violated(replace(setting, lambda_b=0.0)) == "a fixed classifier has no bias"
    assert THEOREMS["soft-label"].violated(setting) is None


READ = {"variant", "classes", "dim", "memory", "json", "list", "constraint", "balance", "explain"}


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_variant_refuses_every_flag_that_it_does_not_read(run, never, kind):
    """Every flag of the command is of one sort or the other; a value that is the default is refused as well."""
    unread = {flag for part, (flags, _) in verify.UNREAD.items() if part not in READS[kind] for flag in flags}
    known = set().union(*(flags for flags, _ in verify.UNREAD.values()))
    assert {name.replace("_", "-") for name in verify.Arguments.__dataclass_fields__} == known | READ
    for flag in known:
        for word in (f"--{flag}", f"--{flag}=1"):
            if flag in unread:
                with pytest.raises(InputError, match=f"{kind} does not read --{flag}: .*leave it out"):
                    verify._refuse_unread(kind, ["--classes", "3", word, "1"])
            else:
                verify._refuse_unread(kind, [word, "1"])
    numbers = {"ordinal": (0.0, 1.0), "contrastive": (2.0, 1.0)}.get(kind, (2.0,) * len(VARIANTS[kind]))
    told = run("--classes", "3", "--variant", Variant(kind, numbers).words, "--bias", "none", "--rigorous")
    refused(told, f"{kind} does not read --bias, --rigorous")


def test_the_page_says_what_variants_read():
    page = (ROOT / "docs" / "theorems.md").read_text("utf-8")
    rows = {
        row[1].strip("` "): row[3] for row in (line.split("|") for line in page.splitlines()) if len(row) == 7
    }
    assert {kind: tuple(re.findall(r"\w+", rows[kind])) for kind in VARIANTS} == READS


# --- list and explain -------------------------------------------------------------------------------------


def test_list_names_every_theorem_once(run, never):
    code, out, err = run("--list")
    assert code == 0 and err == ""
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == list(THEOREMS)
    for line, theorem in zip(lines, THEOREMS.values()):
        assert theorem.title in line and len(line) <= 110


def test_a_list_fits_the_terminal_it_is_shown_in(run, never, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("--list")
    assert max(map(len, out.splitlines())) < 80 and len(out.splitlines()) > len(THEOREMS)


@pytest.mark.parametrize(
    "asked, some, none",
    [
        (("--loss", "squared-error"), {"squared-bias", "squared-error-affine"}, {"joint-etf", "bce"}),
        (("--loss", "binary-cross-entropy"), {"bce", "bce-no-bias"}, {"joint-etf"}),
        (
            ("--loss", "squared-error", "--bias", "0.3"),
            {"squared-bias"},
            {"squared-error-joint", "supcon", "softmax-codes", "norm-constrained"},
        ),
        (
            ("--bias", "free"),
            {"bce", "joint-etf", "minority-collapse"},
            {"bce-no-bias", "soft-label", "duality"},
        ),
        (("--bias", "none"), {"soft-label", "duality", "joint-etf"}, {"bce", "squared-bias"}),
        (("--constraint", "fixed"), {"soft-label"}, {"joint-etf"}),
        (("--constraint", "free"), {"joint-etf", "bce"}, {"soft-label"}),
        (
            ("--balance", "weighted"),
            {"minority-collapse", "soft-label", "inverse-design"},
            {"joint-etf", "necessity", "supcon", "distillation"},
        ),
        (("--balance", "balanced"), {"joint-etf", "necessity", "supcon"}, {"minority-collapse"}),
        (("--constraint", "contrastive"), {"supcon"}, {"softmax-codes"}),
    ],
)
def test_a_list_is_narrowed_by_what_theorems_admit(run, never, asked, some, none):
    code, out, _ = run("--list", *asked)
    names = {line.split()[0] for line in out.splitlines()}
    assert code == 0 and some <= names < set(THEOREMS) and not none & names


def test_a_list_is_narrowed_by_known_aspects_only(run, never):
    refused(run("--list", "--constraint", "nothing"), "--constraint", "fixed, free")
    refused(run("--constraint", "free"), "--constraint", "--list")
    refused(run("--balance", "weighted", "--classes", "3"), "--balance", "--list")


def faults(ties, names) -> list[str]:
    """What is wrong with ties: names of no theorem, a pair that is told twice, theorems of fewer than three."""
    found = [name for pair in ties for name in pair if name not in names]
    pairs = [frozenset(pair) for pair in ties]
    found += [str(sorted(pair)) for pair in set(pairs) if len(pair) < 2 or pairs.count(pair) > 1]
    return found + [name for name in names if sum(name in pair for pair in pairs) < 3]


def test_every_theorem_has_relatives_and_each_is_told_from_both_sides():
    assert faults(scope.TIES, THEOREMS) == []
    for one, other in scope.TIES:
        assert scope.relatives(one)[other] == scope.relatives(other)[one]
    near = set(scope.relatives("superclass-collapse"))
    assert {"superclass-laws", "group-smoothing", "label-smoothing"} <= near
    assert sum("duality" in scope.relatives(name) for name in THEOREMS) < 5
    assert set(scope.CLASSICAL) <= set(THEOREMS)


def test_a_tie_that_is_wrong_is_found():
    ties = {**scope.TIES, ("bce", "no-such"): "", ("bce", "bce"): "", ("label-smoothing", "onehot-ce"): ""}
    assert set(faults(ties, THEOREMS)) == {"no-such", "['bce']", "['label-smoothing', 'onehot-ce']"}
    assert faults({}, THEOREMS) == list(THEOREMS)


@pytest.mark.parametrize("name", THEOREMS)
def test_explain_tells_everything(run, never, name):
    code, out, _ = run("--explain", name)
    theorem, words = THEOREMS[name], " ".join(out.split())
    assert code == 0 and out.splitlines()[0] == theorem.title
    assert max(map(len, out.splitlines()[1:])) <= 80
    formulas = (plain(theorem.statement), *(readable(a.text) for a in theorem.assumptions))
    for text in (*formulas, theorem.quantity, theorem.source):
        assert " ".join(text.split()) in words
    assert "\\" not in out and "$" not in out
    assert f"proofs/{name.replace('-', '_')}.py" in words
    assert scope.CLASSICAL.get(name, "no other name") in words and words.count("relative ") >= 3


def test_symbols_that_a_statement_does_not_explain_are(run, never):
    """And none that it does, or that is the number of a class."""
    assert scope.symbols(THEOREMS["bce"]) == ["Π = I − 11ᵀ/K", "ĉ = √(K λ_W λ_H)"]
    assert scope.symbols(THEOREMS["onehot-ce"]) == ["Π = I − 11ᵀ/K"] and not scope.symbols(
        THEOREMS["same-class"]
    )
    assert "\n  where      c = √(λ_W λ_H)" in run("--explain", "focal")[1]
    assert "\n  where" not in run("--explain", "same-class")[1]


def test_the_record_keeps_latex(run, never, tmp_path):
    code, out, _ = run("--explain", "joint-etf", "--json", "-")
    data, theorem = strict(out), THEOREMS["joint-etf"]
    assert code == 0 and data["statement"] == theorem.statement and data["formal"] == "Joint.joint"
    assert data["assumptions"] == [assumption.text for assumption in theorem.assumptions]
    code, out, _ = run("--list", "--loss", "binary-cross-entropy", "--json", "list.json")
    data = strict((tmp_path / "list.json").read_text())
    assert [row["name"] for row in data["theorems"]] == [line.split()[0] for line in out.splitlines()]


def test_explained_proofs_exist(run):
    """The file named under `proof` is one of the repository."""
    for name in THEOREMS:
        assert (ROOT / "proofs" / f"{name.replace('-', '_')}.py").is_file(), name


@pytest.mark.parametrize(
    "given, close", [("join-etf", "joint-etf"), ("dualty", "duality"), ("same_class", "same-class")]
)
def test_an_unknown_theorem_suggests_the_nearest(run, never, given, close):
    refused(run("--explain", given), given, f"did you mean {close}?", "--list")


@pytest.mark.parametrize(
    "given, near",
    [
        ("superclas", "superclass-collapse or superclass-laws"),
        ("smooth", "label-smoothing, balancing-smoothing or group-smoothing"),
    ],
)
def test_a_part_of_a_name_suggests_all_that_have_it(run, never, given, near):
    refused(run("--explain", given), f"(did you mean {near}?)")


def test_a_name_like_no_other_suggests_nothing(run, never):
    code, out, err = run("--explain", "xyzzy")
    assert code == 2 and out == "" and "did you mean" not in err and "--list" in err


# --- bad input --------------------------------------------------------------------------------------------

BAD = {
    "one class": ("--classes 1", "at least 2", "1"),
    "no classes": ("--classes 0", "at least 2"),
    "negative classes": ("--classes=-3", "at least 2", "-3"),
    "no dimension": ("--dim 0", "--dim", "at least 1"),
    "lam above 1": ("--lam 0.5,1.5", "--lam", "[0, 1]", "1.5"),
    "lam below 0": ("--lam=-0.1", "[0, 1]", "-0.1"),
    "lam nan": ("--lam nan", "[0, 1]", "nan"),
    "lam words": ("--lam half", "half", "0.1,0.5"),
    "lam empty": ("--lam=", "0.1,0.5"),
    "lambda_w negative": ("--lambda-w=-1e-3", "lambda_w", ">= 0"),
    "lambda_h negative": ("--lambda-h=-1e-3", "lambda_h", ">= 0"),
    "lambda_h zero": ("--lambda-h 0", "lambda_h", "> 0"),
    "lambda_h nan": ("--lambda-h nan", "lambda_h", "nan"),
    "multiplier negative": ("--multiplier=-1", "multiplier", ">= 0"),
    "multiplier infinite": ("--multiplier inf", "multiplier", "inf"),
    "alpha zero": ("--alpha 0", "alpha", "positive"),
    "bias negative": ("--bias=-1", "--bias", "positive"),
    "bias words": ("--bias some", "--bias", "none, free"),
    "bias zero": ("--bias 0", "--bias", "free"),
    "unknown law": ("--labels mixpu", "did you mean mixup"),
    "ways without kway": ("--ways 3", "--ways", "mixup"),
    "alpha without mixing": ("--labels onehot --alpha 1", "--alpha", "onehot"),
    "too few weights": ("--classes 3 --weights 0.5,0.5", "--weights", "2 numbers for 3 classes"),
    "weights that do not sum to 1": ("--classes 3 --weights 0.5,0.5,0.5", "sum to 1"),
    "negative weights": ("--classes 3 --weights 1.2,-0.1,-0.1", "positive"),
    "penalties of no labels": ("--classes 3 --rho 1,1,1", "--rho", "given labels"),
    "weights of words": ("--classes 3 --weights a,b,c", "--weights", "comma-separated"),
    "weights of kway": ("--classes 3 --labels kway --weights 0.6,0.2,0.2", "class weights", "kway"),
    "no such labels": ("--labels none.npy", "none.npy", "No such file"),
    "not a choice of loss": ("--loss hinge", "--loss", "squared-error"),
    "not a number": ("--classes ten", "--classes", "ten"),
    "no value": ("--classes", "--classes"),
    "unknown flag": ("--clases 10", "--clases", "--classes"),
    "flag of solve": ("--samples 10", "--samples"),
    "unknown switch": ("--rigorus", "--rigorus", "--rigorous"),
    "loose word": ("mixup", "mixup"),
}


@pytest.mark.parametrize("line, words", [(line, words) for line, *words in BAD.values()], ids=list(BAD))
def test_bad_input_is_one_clear_message(run, never, line, words):
    refused(run(*line.split(), "--json", "a.json"), *words)


def test_own_labels_of_another_size_are_refused(run, never, tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "Y.npy"
    np.save(path, np.full((2, 4), 0.25))
    refused(run("--classes", "3", "--labels", path), "4 columns for 3 classes")


def test_own_labels_are_read(record, quick, tmp_path_factory):
    path = tmp_path_factory.mktemp("input") / "Y.npy"
    np.save(path, [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])
    data = record("--classes", "3", "--labels", path)
    assert data["problem"]["labels"] == "labels" and data["problem"]["multiplier"] == 1.0


def test_own_labels_that_are_a_law_have_its_multiplier_and_theorems(record, tmp_path_factory):
    """Smoothed by hand or by name; with a rho of each label, or one row moved, they are of no such law."""
    path = tmp_path_factory.mktemp("input") / "Y.npy"
    np.save(path, 0.9 * np.eye(3) + 0.1 / 3)
    ridge = ("--classes", "3", "--lambda-w", "0.02", "--lambda-h", "0.02")

    def applied(data):
        return {row["name"] for row in data["theorems"] if row["verdict"] == "agrees"}

    named = record(*ridge, "--labels", "smoothing", "--smoothing", "0.1")
    own = record(*ridge, "--labels", path)
    assert own["problem"]["multiplier"] == pytest.approx(named["problem"]["multiplier"], rel=1e-12)
    assert {"label-smoothing", "joint-etf"} <= applied(named) <= applied(own)
    moved = record(*ridge, "--labels", path, "--rho", "1,1,2")
    assert moved["problem"]["multiplier"] == 1.0 and not {"label-smoothing", "joint-etf"} & applied(moved)


# --- as a process -----------------------------------------------------------------------------------------


def process(*argv, **more):
    command = [sys.executable, "-m", "ufm.verify", *map(str, argv)]
    env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, env=env, **more)


def test_module_runs_as_a_command():
    done = process("--list")
    assert done.returncode == 0 and "joint-etf" in done.stdout and done.stderr == ""


def test_help_and_wrong_usage_answer_without_jax():
    """A module that cannot be imported stands in for JAX."""
    Path("jax.py").write_text("raise ImportError('jax was loaded')")
    wrong = [["--classes", "1"], ["--lam", "2"], ["--bias", "x"]]
    code = "import sys; sys.path.insert(0, '.'); from ufm.verify import main\n"
    code += f"print([main(argv) for argv in {wrong}]); sys.exit(main(['--help']))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0 and done.stdout.startswith("[2, 2, 2]\n"), done.stderr
    assert len(done.stderr.splitlines()) == len(wrong)
    assert "jax was loaded" not in done.stdout + done.stderr
    Path("jax.py").unlink()


def stray(text: str) -> bool:
    """Two blank lines on end."""
    return "\n\n\n" in text


@pytest.mark.parametrize("name", console.COMMANDS)
def test_no_help_has_stray_blank_lines(name, capsys):
    with pytest.raises(SystemExit):
        frame.parse(console.COMMANDS[name].Arguments, ["--help"], name)
    assert not stray(capsys.readouterr().out)


def test_a_stray_blank_line_is_found(capsys):
    """As the parser makes of a blank line before a line that begins with a digit."""

    @dataclass
    class Flags:
        """A sentence.

        Exit code: 0 good,

        2 bad.
        """

        flag: int = 1
        """A flag."""

    with pytest.raises(SystemExit):
        frame.parse(Flags, ["--help"], "x")
    assert stray(capsys.readouterr().out)


def test_help_names_every_flag():
    out = process("--help").stdout
    for flag in verify.Arguments.__annotations__:
        assert f"--{flag.replace('_', '-')}" in out


def test_a_reader_that_leaves_is_no_error():
    """verify --explain into a closed pipe: no traceback."""
    command = [sys.executable, "-m", "ufm.verify", "--list"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=env)
    os.close(write)
    assert "Traceback" not in done.stderr and done.returncode in (0, 141)
