"""The search for a counterexample: `python -m proofs.refute NAME`.

candidates  random cases of a claim, and their scales
made        labels made for a geometry, on a ring, of superclasses
planted     false claims that must be refuted
planted_classes  the same of single classes, channels and modes
planted_free  the same of optima that are known entry by entry
slips       a threshold or a penalty moved by a factor
search      the hunt
shrink      a small case that still fails
refutation  one run, and its report
"""
