"""Formulas as a terminal shows them: nothing of LaTeX is left, and no bracket is lost that a formula needs."""

import pytest

from ufm.output.formulas import plain, readable
from ufm.theory.theorems.catalogue import THEOREMS

SHOWN = {
    r"\tfrac{x_i + x_j}{K}(e^{x_i} - 1) = a\lambda": "((x_i + x_j)/K)(e^(x_i) - 1) = aλ",
    r"h = \tfrac{1}{g + \lambda_H} W^\top y": "h = (1/(g + λ_H)) Wᵀ y",
    r"\lambda_W\lambda_H \ge \sigma^2": "λ_W λ_H ≥ σ²",
    r"-\log(1 - \tfrac{x}{a(1-\lambda)})": "-log(1 - x/(a(1-λ)))",
    r"\log\tfrac{am}{2U} \le x_k": "log(am/(2U)) ≤ x_k",
    r"\|z - a(y - \tfrac1K)\| \le \tfrac{a^2}{2} \|y - \tfrac1K\|": "‖z - a(y - 1/K)‖ ≤ (a²/2) ‖y - 1/K‖",
    r"\mathbb{E}rr^\top, \mathbb{E}\|y\|^2": "E r rᵀ, E‖y‖²",
    r"(1 - c/\sigma)_+ (y - \tfrac1K)": "(1 - c/σ)₊ (y - 1/K)",
    r"\hat c^2 = K\lambda_W\lambda_H": "ĉ² = K λ_W λ_H".replace("ĉ", "c\u0302"),
    r"m\log\tfrac{p_s}{p_o}": "m log(p_s/p_o)",
    r"W W^\top \not\propto \Pi": "W Wᵀ not ∝ Π",
    r"\lambda_W^{N-1}\lambda_H": "λ_W^(N-1) λ_H",
    r"1 - \textstyle\sum_l p_l\cos\tfrac{2\pi l}{K}": "1 - Σ_l p_l cos(2π l/K)",
    r"\frac{dx_j}{d\tau} = \frac{a}{1 + x/K}": "dx_j/dτ = a/(1 + x/K)",
    r"\begin{pmatrix}a & b\\ b & c\end{pmatrix}": "(a, b; b, c)",
}


@pytest.mark.parametrize("formula", SHOWN)
def test_a_formula_as_it_is_read(formula):
    assert plain(formula) == SHOWN[formula]


@pytest.mark.parametrize("name", THEOREMS)
def test_nothing_of_latex_is_left(name):
    """Brackets come in pairs, and of a statement's parts each has a line."""
    theorem = THEOREMS[name]
    texts = [plain(theorem.statement), *(readable(assumption.text) for assumption in theorem.assumptions)]
    for text in texts:
        assert not set("\\$&\ue000") & set(text) and "  " not in text and text == text.strip()
        assert all(text.count(left) == text.count(right) for left, right in ("()", "[]", "{}", "⟨⟩"))
        assert text.count("‖") % 2 == 0
    assert len(texts[0].split("\n")) == theorem.statement.count(r"\quad") + 1


def test_what_no_rule_knows_is_seen():
    assert plain(r"\oint x") == r"\oint x" and readable(r"of $\oint$") == r"of \oint"
