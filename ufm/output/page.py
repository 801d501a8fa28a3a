"""One HTML page of a comparison that can be mailed: picture, tables, record and provenance inside, nothing fetched.

The page holds no program and says so to the browser (Content-Security-Policy); the picture is a data URI, and
the JSON record is there in full, as data, under the id "record".
"""

import base64
import shlex
from html import escape
from pathlib import Path

from ufm.network.comparison import Comparison
from ufm.network.measures.metrics import CONVENTIONS
from ufm.network.read.activations import Activations
from ufm.network.resemblance import CRITERIA, OVERALL, REPRODUCED
from ufm.output.records import dump_json
from ufm.output.text import fixed, shown
from ufm.output.text_compare import LEGEND, calibration_facts, channel_facts, facts, fit_facts

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1c1c; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
img { width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; } .wide { overflow-x: auto; }
.reproduced { color: #17692b; } .not-reproduced { color: #b00020; font-weight: 600; }
.inconclusive { color: #8a5a00; } .not-applicable { color: #555; }
pre { background: #f5f5f5; padding: .7rem; overflow-x: auto; white-space: pre-wrap; }
small { color: #555; }
"""


def report_page(given: Activations, found: Comparison, record: dict, picture: bytes) -> str:
    """The page as text; record: that of `comparison_record`, with provenance; picture: a PNG."""
    name = Path(record["provenance"]["file"]).name
    parts = [
        f"<h1>{escape(name)} against the theory of mixup</h1>",
        f"<p>{escape(OVERALL)}: {_word(found.word)}</p>",
        _picture(picture),
        _section("What was read", _facts(facts(given, found))),
        _section("Verdicts", _verdicts(found)),
        _section("Closed form and optimality", _facts(fit_facts(found))),
        _section("Mixup geometry", _geometry(found) + _facts(channel_facts(found))),
        _section("Neural collapse, by convention", _metrics(found)),
        _section("Calibration", _facts(calibration_facts(found))),
        _section("Provenance", _provenance(record["provenance"])),
    ]
    data = dump_json(record).replace("<", "\\u003c")  # nothing in it can end the element, or open another
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}: ufm compare</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + f'\n<script type="application/json" id="record">\n{data}</script>\n</body></html>\n'
    )


def _picture(picture: bytes) -> str:
    text = base64.b64encode(picture).decode("ascii")
    return f'<img alt="Six panels: the network over the closed form" src="data:image/png;base64,{text}">'


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{body}"


def _facts(lines: list[tuple[str, str]]) -> str:
    return _rows([f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in lines])


def _rows(rows: list[str]) -> str:
    return '<div class="wide"><table>\n' + "\n".join(rows) + "\n</table></div>"


def _line(cells, tag: str = "td") -> str:
    """A row of a table of numbers: the first cell is a name."""
    first, *rest = (escape(str(cell)) for cell in cells)
    return f"<tr><{tag}>{first}</{tag}>" + "".join(f'<{tag} class="n">{c}</{tag}>' for c in rest) + "</tr>"


def _word(word: str) -> str:
    """Coloured by a class of its name."""
    return f'<span class="{word.replace(" ", "-")}">{escape(word)}</span>'


def _verdicts(found: Comparison) -> str:
    heads = "<tr><th>statement</th><th>value</th><th>interval</th><th>asked for</th><th>verdict</th></tr>"
    rows = [heads]
    for f in found.findings:
        criterion = CRITERIA[f.name]
        claim = criterion.claim + ("" if criterion.decisive else " (not needed for the overall verdict)")
        ends = "" if f.low is None or f.low == f.high else f"{shown(f.low, '.4g')} to {shown(f.high, '.4g')}"
        value = shown(f.value, ".4g")
        cells = [escape(text) for text in (claim, value, ends, criterion.words)]
        reason = "" if f.word == REPRODUCED else f"<br><small>{escape(f.reason)}</small>"
        cells.append(_word(f.word) + reason)
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return _rows(rows)


def _geometry(found: Comparison) -> str:
    c = found.channel
    heads = ["mean λ", "samples", "outside", "across", "closed form", "amplification", "closed form"]
    rows = [_line([*heads, "non-linearity", "closed form"], "th")]
    for b in range(len(c.lam)):
        if c.different[b] > 0:
            cells = [shown(c.lam[b], ".4f"), f"{c.different[b]:.6g}", _cell(c.outside, b)]
            for name in ("displacement", "amplification", "nonlinearity"):
                predicted = "-" if c.predicted is None else fixed(c.predicted[name][b])
                cells += [_cell(getattr(c, name), b), predicted]
            rows.append("<tr>" + "".join(f'<td class="n">{cell}</td>' for cell in cells) + "</tr>")
    return (
        _rows(rows) + f"<p><small>{escape(LEGEND)}; below each value its {c.level:.0%} interval</small></p>"
    )


def _cell(part, b: int) -> str:
    value, low, high = (end[b] for end in part)
    text = fixed(value)
    return text if not low < high else f"{text}<br><small>{fixed(low)} to {fixed(high)}</small>"


def _metrics(found: Comparison) -> str:
    if found.metrics is None:
        return f"<p>{escape(found.missing['metrics'])}</p>"
    names = list(found.metrics)
    rows = [_line(["metric (0 is collapse)", *names], "th")]
    for key in found.metrics[names[0]]:
        rows.append(_line([key, *(fixed(found.metrics[name][key]) for name in names)]))
    sources = "".join(f"<br>{escape(name)}: {escape(CONVENTIONS[name].source)}" for name in names)
    return _rows(rows) + f"<p><small>Conventions{sources}</small></p>"


def _provenance(provenance: dict) -> str:
    command = escape(shlex.join(provenance["command"]))
    versions = ", ".join(f"{name} {version}" for name, version in provenance["versions"].items())
    rest = [("versions", versions)] + [
        (name, str(provenance[name])) for name in ("device", "platform", "seed")
    ]
    return f"<pre>{command}</pre>" + _facts(rest)
