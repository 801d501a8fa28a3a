"""The search for a counterexample: `python -m proofs.refute NAME`.

candidates  random cases of a claim, and their scales
planted     false claims that must be refuted
search      the hunt
shrink      a small case that still fails
refutation  one run, and its report
"""
