"""What tests of the commands share."""

import json
import os


def strict(text: str) -> dict:
    """JSON as other languages read it: no NaN, no Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def refused(result, *words):
    """Exit 2, one clear message on stderr, nothing on stdout, nothing written."""
    code, out, err = result
    assert code == 2 and out == "", (code, out, err)
    assert err.strip() and "Warning" not in err
    for word in words:
        assert word in err, err
    assert os.listdir() == []
