"""How far a network is from the optimum of its own labels and penalties, and which part of it is how far."""

from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import Event
from typing import NamedTuple

from ufm.certify.dual import DualGap
from ufm.certify.joint import check_bias
from ufm.model.penalties import Penalties
from ufm.model.problem import Problem
from ufm.network.measures.excess import Excess, excess_of, sampled
from ufm.network.measures.gap import certifying
from ufm.network.optimum import OwnOptimum, own_optimum
from ufm.network.read.activations import Activations
from ufm.network.read.together import Readings, Running
from ufm.runtime.watchdog import handed

Penalty = tuple[float | None, float | None, float | None]  # λ_W, λ_H, λ_b


class Gap(NamedTuple):
    """L − min L of the network, bounded: by its own dual point, or by the optimum of its own labels if that is
    nearer.

    lower ≤ min L ≤ upper. objective: L. features: what other features for its own W and b would gain, as the excess
    of a subsample estimates it; bias: what another bias would gain beyond that (None without one, and with so many
    classes that the subsample does not tell); classifier: the rest.
    """

    objective: float
    lower: float
    upper: float
    features: float
    bias: float | None
    classifier: float

    @property
    def gap(self) -> float:
        """L − lower."""
        return max(self.objective - self.lower, 0.0)

    @property
    def relative(self) -> float:
        """gap/L: not less than the true one."""
        return self.gap / abs(self.objective)

    @property
    def least(self) -> float:
        """(L − upper)/L: not more than the true one."""
        return max(self.objective - self.upper, 0.0) / abs(self.objective)


class Suboptimality(NamedTuple):
    """excess: of the features, where λ_H is known; certificate: by the network's own dual point, optimum: of its
    labels, and gap, where λ_W is too."""

    excess: Excess | None
    certificate: DualGap | None
    optimum: OwnOptimum | None
    gap: Gap | None


class Begun(NamedTuple):
    """What reads the features; excess: to be called after the first reading."""

    excess: Callable[[], Excess] | None
    certificate: Running[DualGap] | None


def begin(readings: Readings, dim: int, penalties: Penalty, loss: str, seed: int) -> Begun:
    """As much as (λ_W, λ_H, λ_b) allow, of the stream's layer; dim: d."""
    lambda_w, lambda_h, lambda_b = penalties
    if lambda_h is None:
        return Begun(None, None)
    W, b = readings.layer.W, readings.layer.b
    problem, few = (
        Problem(len(W), classifier=W, lambda_h=lambda_h, loss=loss),
        dim if W.shape[1] != dim else None,
    )
    rows = readings.begin(sampled(seed=seed))

    def excess() -> Excess:
        return excess_of(rows.value, problem, b, lambda_b, few)

    if lambda_w is None:
        return Begun(excess, None)
    certificate = certifying(
        W, check_bias(b, lambda_b, len(W)), Penalties(lambda_w, lambda_h, lambda_b), loss, few
    )
    return Begun(excess, readings.begin(certificate))


def suboptimality(begun: Begun, optimum: OwnOptimum | None) -> Suboptimality:
    """What these found, beside the optimum of the labels."""
    if begun.excess is None:
        return Suboptimality(None, None, None, None)
    excess = begun.excess()
    if begun.certificate is None:
        return Suboptimality(excess, None, None, None)
    certificate = begun.certificate.value
    assert optimum is not None  # known with the same penalties
    return Suboptimality(excess, certificate, optimum, _gap(certificate, optimum, excess))


def label_optimum(given: Activations, penalties: Penalty, loss: str, go_on: Event) -> OwnOptimum | None:
    """The optimum of the labels as they are, where λ_W and λ_H are known; given up between blocks once `go_on` is
    cleared."""
    lambda_w, lambda_h, lambda_b = penalties
    if lambda_w is None or lambda_h is None:
        return None

    def labels():
        for part in given.label_chunks():
            if not go_on.is_set():
                raise CancelledError
            with handed("optimum of these labels"):
                yield part

    return own_optimum(labels, given.classes, given.dim, Penalties(lambda_w, lambda_h, lambda_b), loss)


def _gap(certificate: DualGap, optimum: OwnOptimum, excess: Excess) -> Gap:
    """The better of both bounds, and where the gap is."""
    lower = max(certificate.objective - certificate.gap, optimum.lower)
    rest = certificate.objective - lower - excess.excess - (excess.bias or 0.0)
    upper = min(certificate.objective, optimum.objective) if optimum.fits else certificate.objective
    return Gap(certificate.objective, lower, upper, excess.excess, excess.bias, rest)
