"""What a traced function says of each element it was given: a number that travels with the arrays.

A traced function cannot raise. It returns a `Status` beside every number, and the derivative of an element whose
status is not `SOLVED` is NaN; other elements of a batch, or of a `vmap`, are left alone.
"""

from enum import IntEnum


class Status(IntEnum):
    """Why an element has no derivative; `SOLVED` where it has one."""

    SOLVED = 0
    INVALID = 1
    UNCERTIFIED = 2
    THRESHOLD = 3
    BOUNDARY = 4

    @property
    def reason(self) -> str:
        """One sentence."""
        return REASONS[self]


REASONS = {
    Status.SOLVED: "solved, within the stated bound",
    Status.INVALID: "an input is NaN, infinite or out of range, or a label is no probability vector",
    Status.UNCERTIFIED: "no bound below the tolerance holds for what the iteration reached in this precision",
    Status.THRESHOLD: "λ_W λ_H is at the threshold within rounding: the derivatives of both sides differ",
    Status.BOUNDARY: "the optimum has lost a direction, or is about to: its Hessian is not regular there",
}
