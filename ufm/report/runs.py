"""Several networks on one page: epochs, seeds, layers or arms beside one another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ufm.network.resemblance import OVERALL
from ufm.output.network.page import Pictures, runs_page
from ufm.output.network.runs import Run, ordered, runs_section
from ufm.output.sections import Section
from ufm.report.network import IN_MEMORY, NetworkReport, compare_network
from ufm.rules.errors import InputError
from ufm.rules.files import Size, picture_path


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Reports by name: by the numbers in the names if these differ in nothing else, or as they were given."""

    reports: dict[str, NetworkReport]

    def __repr__(self) -> str:
        words = (f"{name}: {report.word}" for name, report in self.reports.items())
        return "\n".join([f"{len(self.reports)} networks. {OVERALL}:", *words])

    @property
    def sections(self) -> list[Section]:
        """One table: a row a network."""
        return [runs_section(self.rows)]

    @property
    def rows(self) -> list[Run]:
        """What is shown of each."""
        return [Run.of(name, report) for name, report in self.reports.items()]

    def to_dict(self) -> dict:
        """The record of each, by name."""
        return {name: report.to_dict() for name, report in self.reports.items()}

    def plot(self, path: str | PathLike | None = None, size: Size = "text") -> Any:
        """Metrics, R² and sharpness against the order of the networks, as `NetworkReport.plot` gives it."""
        from ufm.pictures.runs import draw_runs  # Matplotlib is loaded only when a picture is wanted

        figure = draw_runs(self.rows, size)
        if path is not None:
            figure.savefig(picture_path("path", path))
        return figure

    def page(self) -> str:
        """One page, nothing fetched."""
        from ufm.pictures.compare import panel_images

        figure = self.plot()
        return runs_page(self.sections, self.to_dict(), Pictures(figure.caption, panel_images(figure)))

    def save_html(self, path: str | PathLike) -> None:
        """Write the page."""
        Path(path).write_text(self.page(), encoding="utf-8")


def compare_runs(sources: Mapping[Any, Any] | Sequence[str | PathLike | NetworkReport], **options) -> Runs:
    """Compare several networks, given as files or reports, or by name as these or anything that `compare_network`
    takes; a dictionary of arrays by name is one network. options: keywords of `compare_network`, for what is no
    report yet. A report of arrays in memory is called network 1, 2, … by its place.

    Raises InputError for fewer than one, for options where all are reports, for one name twice, and what
    `compare_network` raises, with the name before it.
    """
    given = list(sources.items() if isinstance(sources, Mapping) else ((None, source) for source in sources))
    pairs = [
        (_called(source, n) if name is None else str(name), source)
        for n, (name, source) in enumerate(given, 1)
    ]
    named = dict(pairs)
    if len(named) < len(pairs):
        twice = next(name for name in named if sum(name == other for other, _ in pairs) > 1)
        raise InputError(f"{twice} is there twice: give a dictionary of different names")
    if options and pairs and all(isinstance(source, NetworkReport) for _, source in pairs):
        raise InputError(f"{', '.join(options)}: the networks are compared already, give arrays or files")
    if not named:
        raise InputError("sources must be one network or more, by name or as paths, got none")
    found = {}
    for name in ordered(list(named)):
        try:
            source = named[name]
            found[name] = source if isinstance(source, NetworkReport) else compare_network(source, **options)
        except InputError as error:
            text = str(error)
            raise InputError(text if text.startswith(name) else f"{name}: {text}") from None
    return Runs(found)


def _called(source, place: int) -> str:
    """The file that it is or was made of."""
    if not isinstance(source, NetworkReport):
        return str(source)
    file = source.provenance["file"]
    return f"network {place}" if file == IN_MEMORY else file
