"""What runs a proof and shows it; a proof itself is one file at the top of `proofs`, named after its theorem.

step     steps that sympy decides, steps in words, and the derivation that they make
record   a theorem proved, compared and checked, as plain data
formal   what Coq checks: built and audited
coq      the shipped equations as Coq definitions
faults   faults that are planted in them
session  a run of `python -m proofs`
tables   the committed files, and what a fresh run contradicts in them
render   records as Markdown and LaTeX
"""
