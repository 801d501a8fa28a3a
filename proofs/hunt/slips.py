"""Slips made from a true theorem: its threshold, or what it is told of the penalties, moved by a factor."""

from dataclasses import replace

from ufm.theory.theorems.joint import closed_form_divergence, one_side
from ufm.theory.theorems.theorem import Finding, JointClaim, JointOptimum, Setting, Theorem, VariantClaim


def slip(theorem: Theorem, name: str, words: str, claim: JointClaim | VariantClaim) -> Theorem:
    """The theorem with another claim; words: what was taken for what."""
    title = f"{theorem.title}; {words}"
    return replace(theorem, name=f"planted-{name}", title=title, claim=claim, source=f"planted: {words}")


def moved_threshold(theorem: Theorem, share: float) -> JointClaim:
    """The claim with its threshold of λ_W λ_H multiplied by `share`: the same judge, told λ_W/share."""

    def judge(setting: Setting, optimum: JointOptimum) -> Finding:
        moved = replace(setting.problem, lambda_w=setting.problem.lambda_w / share)
        return theorem.claim.judge(replace(setting, problem=moved), optimum)

    return JointClaim(judge)


def moved_triviality(theorem: Theorem, share: float) -> JointClaim:
    """The claim as it is, but zero from `share` σ² on: between that and σ² only this is claimed."""

    def judge(setting: Setting, optimum: JointOptimum) -> Finding:
        joint = setting.joint
        ratio = joint.product / joint.atoms.patterns.variance
        if (ratio >= 1) == (ratio >= share):
            return theorem.claim.judge(setting, optimum)
        divergence = closed_form_divergence(
            joint.atoms.labels, joint.atoms.weights, optimum.Z, 0.0, joint.loss
        )
        return one_side(ratio / share, divergence, optimum)

    return JointClaim(judge)


def planted(theorem: Theorem, name: str, share: float, source: str, moved=moved_threshold) -> Theorem:
    side = "below" if share < 1 else "beyond"
    words = f"{theorem.title}; the threshold {side} the true one, by a factor of {share:g}"
    return replace(
        theorem, name=f"planted-{name}", title=words, claim=moved(theorem, share), source=f"planted: {source}"
    )
