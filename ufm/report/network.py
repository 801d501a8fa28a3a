"""compare_network: a comparison that shows itself, in a terminal, in a notebook, as a page, as data."""

import hashlib
import textwrap
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

from ufm.network.comparison import Comparison, Options, Progress, compare
from ufm.network.given import activations_of
from ufm.network.read.activations import Activations, Outline
from ufm.network.resemblance import OVERALL
from ufm.output.network.comparison import comparison_sections
from ufm.output.network.headline import headline
from ufm.output.network.page import Pictures, report_body, report_page
from ufm.output.network.record import comparison_record
from ufm.output.records import run_record
from ufm.rules.errors import InputError
from ufm.rules.files import Size, picture_path

IN_MEMORY = "arrays in memory"  # the file of what was none
HASHED = 2**30  # bytes of a file up to which its digest is taken
OPTIONS, KEYS = set(Options._fields), {"lambda_w", "lambda_h"}  # KEYS: arrays' own, where arrays are given


@dataclass(frozen=True, eq=False, repr=False)
class NetworkReport(Comparison):
    """A `Comparison` with the outline of the activations it was made of, and none of their rows but the few that a
    picture shows: reports of many networks may be kept. provenance: command, versions,
    device, seed, file with its SHA-256 where it is one file of at most 1 GiB, date (UTC)."""

    given: Outline
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        sizes = f"{self.given.count} features, {self.classes} classes, {self.given.dim} dimensions"
        return "\n".join([f"{sizes}. {OVERALL}: {self.word}", *textwrap.wrap(self.headline, 100)])

    @property
    def headline(self) -> str:
        """What it comes to, and what to do next."""
        return headline(self)

    def to_dict(self) -> dict:
        """The record that `ufm compare --json` writes (docs/json.md)."""
        return comparison_record(self, self.given, self.provenance)

    def to_frame(self) -> Any:
        """The verdicts as a pandas.DataFrame, a row a statement. Raises InputError where pandas is not
        installed."""
        try:
            import pandas as pd
        except ImportError:
            raise InputError("to_frame needs pandas: pip install pandas, or use to_dict()") from None
        return pd.DataFrame([finding._asdict() for finding in self.findings]).set_index("name")

    def plot(self, path: str | PathLike | None = None, size: Size = "text") -> Any:
        """The picture as a Matplotlib figure that has a `caption` and an `alt` text; written to `path` (.png, .pdf,
        .svg) if one is given. size: of a page in two columns, the whole width of its text or one column."""
        import jax

        from ufm.pictures.compare import draw_comparison  # Matplotlib is loaded only when a picture is wanted

        with jax.enable_x64(True):  # closed forms are drawn, whatever jax.config says
            figure = draw_comparison(self.given, self, size)
        if path is not None:
            figure.savefig(picture_path("path", path))
        return figure

    def save_html(self, path: str | PathLike) -> None:
        """The page that `ufm compare --report` writes: one file, nothing fetched."""
        Path(path).write_text(self.page(), encoding="utf-8")

    def page(self) -> str:
        """The page as text."""
        return report_page(comparison_sections(self.given, self), self.to_dict(), self._pictures())

    def _pictures(self) -> Pictures:
        from ufm.pictures.compare import panel_images

        figure = self.plot()
        return Pictures(figure.caption, panel_images(figure))

    def _repr_html_(self) -> str:
        return report_body(comparison_sections(self.given, self), self.to_dict(), self._pictures())


def compare_network(
    source=None,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
    names=None,
    **arrays,
) -> NetworkReport:
    """Hold a network's last layer against the theory: compare_network(H=H, W=W, b=b, y=y), or of a file.

    source: an .npz file or a folder of .npy files, a dictionary, an open npz, or `Activations`; or the arrays as
    keywords, by the names that a file has (`ufm.network.read.activations`): H (N, d), W (K, d), b (K), labels y
    (N), or i, j, lam (N), or Y (N, K); lambda_w, lambda_h; H_clean, y_clean, H_test, y_test, H_ood; logits,
    y_logits of held-out data. NumPy, JAX and torch arrays of any device and float type. names: of the classes, in
    the order of the rows of W, where y, i, j are not 0 … K−1. Fields of `Options` may be keywords too.

    Computes in float64 whatever jax.config says, and leaves that alone. Raises InputError for bad arrays and
    values.
    """
    taken = OPTIONS if source is not None else OPTIONS - KEYS
    more = {name: _plain(arrays.pop(name)) for name in list(arrays) if name in taken}
    if more and options is not None:
        raise InputError(f"give either options or {', '.join(more)}")
    given = activations_of(source, names, arrays)
    return reported(given, Options(**more) if options is None else options, progress, _file(source))


def _plain(value):
    """A number of any framework as Python's own; anything else as it is, to be judged by the options' rules."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _file(source) -> str:
    return str(source) if isinstance(source, (str, PathLike)) else IN_MEMORY


def reported(
    given: Activations,
    options: Options,
    progress: Progress | None,
    file: str,
    command: list[str] | None = None,
) -> NetworkReport:
    """The comparison of checked activations; command: what a record says that was run."""
    found = compare(given, options, progress)
    words = ["ufm.compare_network"] if command is None else command
    origin = {"seed": options.seed, "file": file, "sha256": _digest(Path(file))}
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return NetworkReport(
        **vars(found), given=given.outline, provenance=run_record(words) | origin | {"date": date}
    )


def _digest(path: Path) -> str | None:
    """Of one file that is quickly read."""
    try:
        if not path.is_file() or path.stat().st_size > HASHED:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # gone, or not a path at all
        return None


def compare_activations(
    activations, options: Options | None = None, progress: Progress | None = None
) -> NetworkReport:
    """`compare_network` by its name of version 0.1."""
    warnings.warn("compare_activations is now compare_network", DeprecationWarning, stacklevel=2)
    return compare_network(activations, options=options, progress=progress)
