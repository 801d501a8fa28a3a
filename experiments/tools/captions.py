"""Alt texts and captions of the pictures in a folder: captions.json, from which the pages of theorems take them."""

import json
from pathlib import Path


def write_caption(folder: Path, picture: str, theorem: str, alt: str, caption: str) -> None:
    """The words of PICTURE.png, which belongs to a theorem's page; those of others stay."""
    path = folder / "captions.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[picture] = {"theorem": theorem, "alt": alt, "caption": caption}
    text = json.dumps(dict(sorted(known.items())), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
