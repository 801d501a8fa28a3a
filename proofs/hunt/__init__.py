"""False claims that must be found, and one run of `python -m proofs.refute NAME`; the hunt itself is `ufm.refute`.

planted     false claims that must be refuted
planted_classes  the same of single classes, channels and modes
planted_problems  the same of other losses and penalties
planted_free  the same of optima that are known entry by entry
planted_variants  the same of problems of another shape
slips       a threshold or a penalty moved by a factor
refutation  one run, and its report
"""
