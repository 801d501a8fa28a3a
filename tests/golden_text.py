"""What a command printed or wrote, as lines to compare: every number in full, and what may vary masked.

Arrays and columns are printed with repr, so that two lines are equal only where all their bits are.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np

# what differs between two runs of the same code, or is no matter of the code: all of it, one pattern each
MASKS = (
    ("seconds that a run took", re.compile(r"\b\d+(\.\d+)? s$", re.MULTILINE), "# s"),
    ("progress of a run that is slow", re.compile(r"^\d+ of \d+ \w+, about .* left\n", re.MULTILINE), ""),
    ("progress of a reader that is slow", re.compile(r"^[\w ]+: \d+ rows read\n", re.MULTILINE), ""),
    ("a font cache made anew", re.compile(r"^Matplotlib is building the font cache.*\n", re.MULTILINE), ""),
    ("port that two processes meet at", re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:#"),
    ("when a comparison was made", re.compile(r'("date": )"[-:+\dT]+"'), r'\1"#"'),
    ("version of the package itself", re.compile(r'("ufm": )"[\d.]+\w*"'), r'\1"#"'),
)


def masked(text: str, folder: Path | None = None) -> str:
    """The text without what may vary; `folder`: where it ran."""
    if folder is not None:
        text = text.replace(str(folder), "FOLDER")
    for _, pattern, put in MASKS:
        text = pattern.sub(put, text)
    return text


def shown(path: Path) -> str:
    """A file that was written, as text."""
    show = SHOWN.get(path.suffix)
    return show(path) if show else plain(path)


def plain(path: Path) -> str:
    """Text as it is, other bytes by their digest."""
    data = path.read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        return digest(data)


def digest(data: bytes) -> str:
    """Bytes that nobody would read."""
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}\n"


def array(name: str, values: np.ndarray) -> str:
    """Name, dtype and shape, then a line for each row along the last axis."""
    rows = values.reshape(-1, values.shape[-1] if values.ndim else 1)
    lines = [" ".join(map(repr, row)) for row in rows.tolist()]
    return "\n".join([f"{name} {values.dtype} {values.shape}", *lines, ""])


def arrays(path: Path) -> str:
    """The arrays of an .npz file, in its order."""
    with np.load(path) as parts:
        return "".join(array(name, parts[name]) for name in parts.files)


def table(path: Path) -> str:
    """A line for each column of a Parquet file, then what its footer says."""
    import pyarrow.parquet as pq

    found = pq.read_table(path, partitioning=None)
    lines = [
        f"{field.name} {field.type}: {' '.join(map(repr, column.to_pylist()))}"
        for field, column in zip(found.schema, found.columns)
    ]
    for key, text in sorted((found.schema.metadata or {}).items()):
        lines += [f"footer {key.decode()}", json.dumps(json.loads(text), indent=1)]
    return "\n".join([*lines, ""])


def picture(data: bytes) -> str:
    """Size and pixels of a PNG; what else is in the file varies with the version that drew it."""
    import io

    import matplotlib.image

    pixels = np.ascontiguousarray(matplotlib.image.imread(io.BytesIO(data), format="png"))
    return f"picture {pixels.shape}, pixels {digest(pixels.tobytes())}"


def page(path: Path) -> str:
    """HTML, with the pictures in it as those of files."""
    inside = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
    return inside.sub(lambda found: picture(base64.b64decode(found[1])), path.read_text(encoding="utf-8"))


SHOWN = {
    ".npz": arrays,
    ".npy": lambda path: array("array", np.load(path)),
    ".parquet": table,
    ".png": lambda path: picture(path.read_bytes()),
    ".html": page,
}
