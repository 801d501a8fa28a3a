"""A Flax network, of nnx or of linen: its last layer is watched while a compiled pass is traced. Pure functions are
run, on copies in evaluation mode: nothing of the training is touched."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ufm.collect.gather import Found, Network, check_last, gather, wanted, warn_of_what_follows
from ufm.rules.errors import InputError


def from_flax(model, layer, loader: Iterable, *, variables=None, call: dict | None = None, **sets) -> Found:
    """The arrays of a comparison of a Flax network, compare_network(**found).

    model: an nnx.Module; or a linen Module, with its variables {"params": …, …}. layer: the last one: of nnx the
    module or its path "head", "block.out", of linen its path; None: the last Linear, or Dense, that a pass calls.
    loader: batches (x, y) of arrays, x what the model takes. call: keywords of the model, as {"train": False}: a
    linen model says so what evaluation is; of nnx a copy is set to evaluation. sets: mix, test, clean, ood, unpack,
    limit, lambda_w, lambda_h, smoothing as of `from_torch`.

    H (N, d) and logits_H (N, K) are what the layer takes and gives. Warns, and raises InputError, as `from_torch`
    does; raises it too for a linen model without variables.
    """
    from flax import linen, nnx

    how, given = wanted(sets), dict(call or {})
    if isinstance(model, nnx.Module):
        if variables is not None:
            raise InputError("variables belong to a linen model; an nnx.Module has its own")
        run: _Traced = _Nnx(model, layer, given)
    elif isinstance(model, linen.Module):
        if variables is None or "params" not in variables:
            raise InputError('a linen model needs variables={"params": ..., ...}, as model.init gives them')
        run = _Linen(model, variables, layer, given)
    else:
        raise InputError(f"model must be an nnx.Module or a linen Module, got {type(model).__name__}")
    return gather(Network(run, cache(run.head)), loader, how)


class _Traced:
    """A compiled pass that gives what the last layer takes and gives; name: of that layer, once one was traced."""

    def __init__(self, traced: Callable, name: str | None):
        import jax

        self.compiled, self.name, self.checked = jax.jit(traced), name, False

    def __call__(self, x):
        taken, given, out = self.compiled(self.state, x)
        if not self.checked:
            self.checked = True
            warn_of_what_follows(f"layer {self.name}", given, out)
        return taken, given

    state: Any = None

    def head(self) -> tuple[Any, Any, str]:
        """W, b and words."""
        raise NotImplementedError

    def chosen(self, calls: list[tuple[str, Any, Any]], out):
        """What the one call of the layer takes and gives, of all (name, taken, given); then `out`, what the model
        gives, if it is one array."""
        if self.name is None and calls:
            self.name = calls[-1][0]
        mine = [(taken, given) for name, taken, given in calls if name == self.name]
        if len(mine) != 1:
            raise InputError(
                f"layer {self.name or 'None'} is called {len(mine)} times in a forward pass, once is asked for; "
                f"called are {', '.join(dict.fromkeys(name for name, *_ in calls)) or 'no layers of this kind'}"
            )
        shape: Any = getattr(mine[0][1], "shape", ())
        if len(shape) == 2:
            check_last(f"layer {self.name}", shape[1], tuple(getattr(out, "shape", ())))
        return *mine[0], out if hasattr(out, "shape") else ()

    def told(self, kernel, bias) -> tuple[Any, Any, str]:
        """W, b and words."""
        if getattr(kernel, "ndim", 0) != 2:
            raise InputError(f"layer {self.name} has no kernel d x K")
        return kernel.T, bias, f"layer {self.name}, {kernel.shape[1]} x {kernel.shape[0]}"


class _Linen(_Traced):
    def __init__(self, model, variables, layer, call: dict):
        from flax import linen

        if not (layer is None or isinstance(layer, str)):
            raise InputError(f"layer of a linen model is its path, like 'head', got a {type(layer).__name__}")
        self.state = variables

        def traced(variables, x):
            calls: list[tuple[str, Any, Any]] = []

            def watch(following, args, named, context):
                given = following(*args, **named)
                name = ".".join(context.module.path)
                if context.method_name == "__call__" and (
                    isinstance(context.module, linen.Dense) if self.name is None else name == self.name
                ):
                    calls.append((name, args[0] if args else next(iter(named.values())), given))
                return given

            with linen.intercept_methods(watch):
                out = model.apply(variables, x, **call)
            return self.chosen(calls, out)

        super().__init__(traced, layer and layer.replace("/", "."))

    def head(self) -> tuple[Any, Any, str]:
        """W, b and words."""
        part = self.state["params"]
        for word in str(self.name).split("."):
            part = part.get(word, {})
        return self.told(part.get("kernel"), part.get("bias"))


class _Nnx(_Traced):
    def __init__(self, model, layer, call: dict):
        from flax import nnx

        copy = nnx.clone(model)
        copy.eval()
        graph, self.state = nnx.split(copy)
        names = {id(part): _dotted(path) for path, part in nnx.iter_modules(model)}
        self.parts = {_dotted(path): part for path, part in nnx.iter_modules(model)}
        if isinstance(layer, nnx.Module):
            if id(layer) not in names:
                raise InputError(f"layer, a {type(layer).__name__}, is no module of the model")
            layer = names[id(layer)]
        elif not (layer is None or isinstance(layer, str)):
            raise InputError(f"layer must be a module or its path, got a {type(layer).__name__}")
        name = layer and layer.replace("/", ".")
        if name is not None and name not in self.parts:
            raise InputError(f"layer {layer!r} is no module of the model: it has {', '.join(self.parts)}")
        if name is not None and not hasattr(self.parts[name], "kernel"):
            raise InputError(
                f"layer {name} is a {type(self.parts[name]).__name__}, which has no kernel d x K"
            )
        kind = nnx.Linear if name is None else type(self.parts[name])

        def traced(state, x):
            own = nnx.merge(graph, state)
            known = {id(part): _dotted(path) for path, part in nnx.iter_modules(own)}
            with _watched(kind) as calls:
                out = own(x, **call)
            return self.chosen([(known[id(part)], *pair) for part, *pair in calls if id(part) in known], out)

        super().__init__(traced, name)

    def head(self) -> tuple[Any, Any, str]:
        """W, b and words."""
        part = self.parts[str(self.name)]
        kernel, bias = (getattr(part, word, None) for word in ("kernel", "bias"))
        kernel, bias = (None if held is None else held[...] for held in (kernel, bias))
        return self.told(kernel, bias)


def _dotted(path) -> str:
    return ".".join(map(str, path))


@contextmanager
def _watched(kind: type) -> Iterator[list]:
    """Calls of all layers of a class, as (layer, taken, given), while a pass is traced."""
    calls: list = []
    patched: Any = kind
    usual, own = patched.__call__, "__call__" in vars(kind)

    def seen(part, *args, **named):
        given = usual(part, *args, **named)
        calls.append((part, args[0] if args else next(iter(named.values())), given))
        return given

    patched.__call__ = seen
    try:
        yield calls
    finally:
        if own:
            patched.__call__ = usual
        else:
            del patched.__call__
