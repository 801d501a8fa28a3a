"""Spoilt answers: another blind half of the kernel, before the other half judges what it finds."""

import jax.numpy as jnp

import ufm.agree.kernel as kernel


def spoil(blind, monkeypatch) -> None:
    """Candidates by blind(shared, Y, **static) in the place of `ufm.agree.kernel.solve`."""

    def spoilt(shared, Y, x, *, loss_name, closed, **options):
        numeric, steps = blind(shared, Y, loss_name=loss_name, **options)
        return kernel.judge(shared[0], numeric, Y, x, loss_name=loss_name, closed=closed), steps

    monkeypatch.setattr(kernel, "kernel", spoilt)


def spoil_optima(which, monkeypatch) -> None:
    """Move the first coordinate of the candidates of labels Y (K, B) for which `which(Y)` holds by 1e-3."""

    def blind(shared, Y, **static):
        q, steps = kernel.solve(shared, Y, **static)
        return q.at[0].add(jnp.where(which(Y), 1e-3, 0.0)), steps

    spoil(blind, monkeypatch)


def misinform(change, monkeypatch) -> None:
    """The blind half is told change(coordinates, λ_H); the judge, who has both of its own, is not.

    Nothing is traced anew: the problem's numbers are arguments of the kernel.
    """
    spread = kernel.spread

    def told(function, *given, **static):
        call = spread(function, *given, **static)

        def run(shared, Y, x):
            space, lambda_h, steps = shared
            coordinates, lambda_h = change(space.coordinates, lambda_h)
            return call((space._replace(coordinates=coordinates), lambda_h, steps), Y, x)

        return run

    monkeypatch.setattr(kernel, "spread", told)
