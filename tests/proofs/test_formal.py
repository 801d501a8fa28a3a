"""The formal proofs: what is said of them is what Coq printed, and an axiom, a gap or an edit would be noticed.

Coq itself runs in `python -m proofs --formal --check`, a step of `.ci/run`.
"""

import re
import shutil

import pytest

from proofs.__main__ import main
from proofs.engine import formal
from proofs.engine.coq import Term, formulas, shipped
from proofs.engine.session import proof
from proofs.engine.step import FORMAL, ProofError
from proofs.engine.step import formal as formal_step
from ufm import verify
from ufm.theory.theorems import scope
from ufm.theory.theorems.catalogue import THEOREMS

AXIOMS = "Axioms:\nClassical_Prop.classic : forall P : Prop, P \\/ ~ P\n"
THEOREM = "Theorem t : True. Proof. exact I. Qed.\n"


def test_every_formal_step_names_an_audited_theorem():
    lemmas = {s.lemma for name in THEOREMS for s in proof(name).derive().steps if s.kind == FORMAL}
    assert len(lemmas) > 40 and "Joint.joint" in lemmas
    for lemma in lemmas:
        assert formal.statement(lemma)


@pytest.mark.parametrize("name", scope.FORMAL)
def test_what_explain_says_is_a_step_of_that_theorem(name):
    assert scope.FORMAL[name] in {s.lemma for s in proof(name).derive().steps}


def test_explain_names_the_step(capsys):
    assert verify.main(["--explain", "joint-etf"]) == 0
    assert "  in Coq     Joint.joint\n" in capsys.readouterr().out


@pytest.mark.parametrize("lemma", ["Joint.joined", "Sums.sum", "joint", f"{formal.ASSUMED} Joint.joint"])
def test_a_step_on_something_else_is_refused(lemma):
    with pytest.raises(ProofError, match="no audited theorem"):
        formal_step("x", "y", lemma).run()


def test_the_snapshot_has_every_declaration_of_the_sources():
    theorems = formal.declared("Theorem|Corollary")
    names = formal.declared("Definition|Fixpoint") + theorems
    assert list(formal.statements()) == names + list(formal.groups(theorems))
    assert len(set(names)) == len(names) > 150


def test_every_theorem_is_in_a_group_whose_assumptions_are_printed():
    theorems = formal.declared("Theorem|Corollary")
    printed = {name for group in formal.groups(theorems).values() for name in group}
    assert printed == set(theorems)
    assert set(formal.statements()[f"{formal.ASSUMED} Joint.joint"].split()) == formal.CLASSICAL


def test_the_joint_theorem_says_what_it_says():
    text = " ".join(formal.statement("Joint.joint").split())
    for part in (
        "(1 < K)%nat",
        "0 < lambda_W",
        "exchangeable N K pi Y",
        "(K - 1 <= d)%nat",
        "optimum N K d pi Y",
    ):
        assert f"{part}" in text
    assert text.endswith("objective N K d pi Y lambda_W lambda_H W no_bias h = joint_value N K pi Y a")


def test_the_shipped_equations_are_the_committed_ones():
    assert (formal.FOLDER / formal.SHIPPED).read_text("utf-8") == shipped(formulas())


def test_symbols_print_with_every_parenthesis():
    a, b = Term("a"), Term("b")
    assert str(1.0 - a * b / 2 + a) == "((1 - ((a * b) / 2)) + a)"
    assert str(2 / (a - 1)) == "(2 / (a - 1))" and str(3.0 * a + 1 - b) == "(((3 * a) + 1) - b)"
    with pytest.raises(ValueError, match="not a whole number"):
        0.5 * a


def test_the_sources_assume_nothing():
    assert list(formal.words(formal.sources())) == []


@pytest.mark.parametrize(
    "text",
    [
        "Axiom a : False.",
        "Lemma a : False. Admitted.",
        "Lemma a : False. Proof. admit. Abort.",
        "Parameter a : False.",
        "Variable a : False.",
        "Section A. \nEnd A.\nHypothesis a : False.",
        "Unset Guard Checking.",
        "Set Bypass Guard.",
        "#[bypass_check(guard)] Fixpoint a (n : nat) : nat := a n.",
    ],
)
def test_words_that_assume_are_found(tmp_path, text):
    (tmp_path / "A.v").write_text(f"(* no (* Axiom *) here *)\n{THEOREM}{text}\n")
    assert list(formal.words([tmp_path / "A.v"]))


def test_words_in_comments_and_sections_are_not(tmp_path):
    (tmp_path / "A.v").write_text(
        f"(* Axiom (* Admitted *) *)\nSection A.\nVariable a : nat.\nEnd A.\n{THEOREM}"
    )
    assert list(formal.words([tmp_path / "A.v"])) == []


def test_assumptions_are_held_to_the_list():
    assert formal.assumptions("assumptions of the theorems of Values", AXIOMS) == {"Classical_Prop.classic"}
    mine = AXIOMS + "joint_is_true\n  : forall W, simplex W\n"
    machine = AXIOMS + "PrimInt63.add : PrimInt63.int -> PrimInt63.int\n"
    assert "PrimInt63.add" in formal.assumptions("assumptions of the theorems of Values", machine)
    unchecked = AXIOMS + "joint is assumed to be guarded.\n"
    unsafe = AXIOMS + "joint relies on an unsafe hierarchy.\n"
    for name, text in (
        ("Joint.joint", unchecked),
        ("Joint.joint", unsafe),
        ("Values", mine),
        ("Values", ""),
        ("Joint.joint", machine),
        ("outside Values", machine),
    ):
        with pytest.raises(ProofError):
            formal.assumptions(f"assumptions of {name}", text)


@pytest.mark.parametrize("ci, code", [("", 3), ("1", 1)])
def test_without_coq_the_install_line_is_said(monkeypatch, capsys, ci, code):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("CI", ci)
    assert main(["--formal", "--check"]) == code
    assert capsys.readouterr().out == f"formal proofs not checked. Coq is not installed: {formal.INSTALL}\n"


def test_the_page_shows_what_coq_prints():
    page = (formal.FOLDER.parents[1] / "docs" / "formal.md").read_text("utf-8")
    shown = dict(re.findall(r"<!-- ([\w. ]+) -->\n```text\n(.*?)\n```", page, re.DOTALL))
    assumed = f"{formal.ASSUMED} Joint.joint"
    assert shown == {"Joint.joint": formal.statement("Joint.joint"), assumed: formal.statements()[assumed]}
    assert formal.INSTALL in page
    names = {name.partition(".")[2] for name in formal.statements()}
    for word in re.findall(r"`(?:[A-Z]\w+\.)?([a-z]+(?:_[a-z]+)+)`", page):
        assert word in names, word
