"""Measuring scripts say what is wrong before they measure: numbers out of range, reports that cannot be written."""

import pytest

from experiments import compare_large, fuzz, large_pairs, scaling

WRONG = [
    (compare_large, "--samples", "-1"),
    (compare_large, "--dim", "0"),
    (large_pairs, "--classes", "1"),
    (large_pairs, "--nodes", "x"),
    (large_pairs, "--cap", "nan"),
    (scaling, "--scale", "0"),
    (fuzz, "--seconds", "-1"),
    *(
        (script, "--output", path)
        for script in (compare_large, large_pairs, scaling)
        for path in (".", "no/file.md")
    ),
]


@pytest.mark.parametrize("script, flag, value", WRONG, ids=lambda part: getattr(part, "__name__", part))
def test_what_is_wrong_is_said_before_any_work(capsys, tmp_path, monkeypatch, script, flag, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        script.main([flag, value])
    assert stop.value.code == 2 and flag in capsys.readouterr().err.splitlines()[-1]
