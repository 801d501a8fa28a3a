"""The equations of the closed forms, each written once, in plain operators, with exp, log, … passed in.

The routes of `ufm.theory` iterate on these very functions; `proofs.engine.coq` evaluates them on symbols, and Coq
proves that what they say is what its theorems are about (`proofs/formal/shipped/`).

equations  what an iteration drives to zero
values     closed forms
arrays     loops over arrays of numpy and of JAX
"""
