"""Several networks on one page: epochs, seeds, layers or arms beside one another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ufm.network.resemblance import OVERALL
from ufm.output.network.page import runs_page
from ufm.output.network.runs import Run, ordered, runs_section
from ufm.output.sections import Section
from ufm.report.network import NetworkReport, compare_network
from ufm.rules.errors import InputError


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

    def plot(self, path: str | PathLike | None = None) -> Any:
        """Metrics, R² and sharpness against the order of the networks, as a Matplotlib figure."""
        from ufm.pictures.runs import draw_runs  # Matplotlib is loaded only when a picture is wanted

        figure = draw_runs(self.rows)
        if path is not None:
            figure.savefig(path)
        return figure

    def page(self) -> str:
        """One page, nothing fetched."""
        from ufm.pictures.compare import panel_images

        return runs_page(self.sections, self.to_dict(), panel_images(self.plot()))

    def save_html(self, path: str | PathLike) -> None:
        """Write the page."""
        Path(path).write_text(self.page(), encoding="utf-8")


def compare_runs(sources: Mapping[Any, Any] | Sequence[str | PathLike], **options) -> Runs:
    """Compare several networks, given as files, or by name as anything that `compare_network` takes; a dictionary
    of arrays by name is one network. options: keywords of `compare_network`.

    Raises InputError for fewer than one, and what `compare_network` raises, with the name before it.
    """
    pairs = sources.items() if isinstance(sources, Mapping) else ((path, path) for path in sources)
    named = {str(name): source for name, source in pairs}
    if not named:
        raise InputError("sources must be one network or more, by name or as paths, got none")
    found = {}
    for name in ordered(list(named)):
        try:
            found[name] = compare_network(named[name], **options)
        except InputError as error:
            text = str(error)
            raise InputError(text if text.startswith(name) else f"{name}: {text}") from None
    return Runs(found)
