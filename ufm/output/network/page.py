"""One HTML page of a comparison that can be mailed: picture, sections and record inside, nothing fetched.

The page holds no program and says so to the browser (Content-Security-Policy); the picture is a data URI, and
the JSON record is there in full, as data, under the id "record".
"""

import base64
import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from ufm.network.resemblance import OVERALL
from ufm.output.records import dump_json
from ufm.output.sections import STYLES, Facts, OnPage, Part, Section, Sentence, Table, Verdict, Words

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
img { width: 100%; height: auto; } figure { margin: 1rem 0; } figcaption { color: #555; font-size: .9rem; }
.panels { display: grid; gap: .5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
.n { text-align: right; } td.n, td span { white-space: nowrap; } .wide { overflow-x: auto; }
@media (max-width: 40rem) { td.n small { white-space: normal; }
  tr:has(td:nth-child(7)) small { white-space: nowrap; } }
.reproduced { color: #17692b; } .not-reproduced { color: #b00020; font-weight: 600; }
.inconclusive { color: #8a5a00; } .not-applicable { color: #555; }
small { color: #555; } .headline { font-size: 1.15rem; }
"""


class Pictures(NamedTuple):
    """A caption, and panels: what is seen in each, and its PNG."""

    caption: str
    panels: Sequence[tuple[str, bytes]]


def report_page(sections: Sequence[Section], record: dict, pictures: Pictures) -> str:
    """The page as text; record: with provenance and headline; pictures: of it."""
    return _whole(_name(record), report_body(sections, record, pictures), record)


def runs_page(sections: Sequence[Section], records: dict, pictures: Pictures) -> str:
    """Several networks; records: of each, by name."""
    body = [
        f"<h1>{len(records)} networks against the theory</h1>",
        *map(_section, sections),
        _shown(pictures),
    ]
    headlines = [(name, record["headline"]) for name, record in records.items()]
    body.append(_section(Section("What each comes to", [Facts(headlines)])))
    return _whole(f"{len(records)} networks", "\n".join(body), records)


def _whole(name: str, body: str, record: dict) -> str:
    """A page that fetches nothing, with the record inside."""
    data = dump_json(record).replace("<", "\\u003c")  # nothing in it can end the element, or open another
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}: ufm compare</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + body
        + f'\n<script type="application/json" id="record">\n{data}</script>\n</body></html>\n'
    )


def report_body(sections: Sequence[Section], record: dict, pictures: Pictures) -> str:
    """What the page holds: headline, early sections, pictures, verdicts (the last section), and the rest."""
    *others, verdicts = sections
    parts = [
        f"<h1>{escape(_name(record))} against the theory</h1>",
        f'<p class="headline">{escape(record["headline"])}</p>',
        f"<p>{escape(OVERALL)}: {_cell(record['verdict'])}</p>",
        *map(_section, [section for section in others if section.early]),
        _shown(pictures),
        _section(verdicts),
        *map(_section, [section for section in others if not section.early]),
        _section(_provenance(record["provenance"])),
    ]
    return "\n".join(parts)


def _name(record: dict) -> str:
    return Path(record["provenance"]["file"]).name


def _shown(pictures: Pictures) -> str:
    """Beside one another where there is room, else one below the other."""
    parts = []
    for seen, image in pictures.panels:
        text = base64.b64encode(image).decode("ascii")
        parts.append(f'<img alt="{escape(seen, quote=True)}" src="data:image/png;base64,{text}">')
    caption = f"<figcaption>{escape(pictures.caption)}</figcaption>"
    return "\n".join(['<figure>\n<div class="panels">', *parts, f"</div>\n{caption}\n</figure>"])


def _provenance(provenance: dict) -> Section:
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    lines = [("command", shlex.join(provenance["command"])), ("versions", versions)]
    lines += [
        (name, str(provenance[name])) for name in ("device", "platform", "seed", "date", "file", "sha256")
    ]
    return Section("Provenance", [Facts(lines)])


def _section(section: Section) -> str:
    return "\n".join([f"<h2>{escape(_said(section.title))}</h2>", *map(_part, section.parts)])


def _said(words: Words) -> str:
    """What the page says."""
    return words if isinstance(words, str) else words.page


def _part(part: Part) -> str:
    match part:
        case Facts():
            lines = (f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in part.lines)
            return _table(lines)
        case Table():
            return _table([_row(part, part.heads, "th"), *(_row(part, row, "td") for row in part.rows)])
        case OnPage():
            return _part(part.part)
        case Sentence():
            text = "<br>".join(map(escape, _said(part.words).split("\n")))
            return f"<p><small>{text}</small></p>" if text else ""
        case Verdict():
            words = _said(part.words)
            return f"<p>{escape(words)}: {_cell(part.word)}{escape(part.more)}</p>" if words else ""
        case _:
            return f"<p>{escape(part)}</p>" if part else ""


def _table(rows) -> str:
    return '<div class="wide"><table>\n' + "\n".join(rows) + "\n</table></div>"


def _row(table: Table, cells: Sequence[Words], tag: str) -> str:
    """Numbers stand right."""
    left = {n % len(cells) for n in table.left}
    marks = (tag if n in left else f'{tag} class="n"' for n in range(len(cells)))
    return "<tr>" + "".join(f"<{mark}>{_cell(cell)}</{tag}>" for mark, cell in zip(marks, cells)) + "</tr>"


def _cell(words: Words) -> str:
    """A verdict is coloured by a class of its name; what stands below the first line is small."""
    first, *more = map(escape, _said(words).split("\n"))
    if first in STYLES:
        first = f'<span class="{first.replace(" ", "-")}">{first}</span>'
    return first + "".join(f"<br><small>{line}</small>" for line in more)
