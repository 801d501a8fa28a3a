"""Claims on trial: somebody's own or a theorem's, against certified optima, until one case fails or time is up.

cases    settings in a few numbers, families of them, and their scales
claim    a file of about twenty lines as a claim with parameters
made     labels made for a geometry, on a ring, of superclasses
kinds    what may be claimed of an optimum, each held against it: gram, zero, logits, inequality
errors   what a claim may do wrong
calls    its own functions, called
search   the hunt: random cases, seams, and a climb
words    a trial in words
shrinking  a small case that still fails
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "cases": "Case Family",
        "claim": "OwnClaim make_claim read_claim",
        "errors": "ClaimError",
        "made": "random_gram ring",
        "search": "Outcome Search Trial check_case hunt",
        "shrinking": "shrink",
        "words": "numbers ratio",
    },
)
