"""Layers at the learning rates that are best for them, on scores made up for the purpose."""

import pytest

from benchmarks import best_rates


def _record(rate, steps=300, **layers):
    scores = {
        layer: {str(seed): {"a": value, "b": value} for seed, value in enumerate(values)}
        for layer, values in layers.items()
    }
    return {"evaluation": {"learning_rate": rate, "steps": steps}, "scores": scores}


def _rows(text):
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
    return {row[0].strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def test_each_layer_is_compared_at_its_own_best_rate():
    # At either rate alone the found layer's lead is -30 or +30; best to best it is +1 and +3.
    low = _record(0.1, bn_relu=[0.2, 0.2], found=[0.51, 0.63], other=[0.9, 0.9])
    high = _record(0.2, bn_relu=[0.5, 0.6], found=[0.2, 0.2])
    rows = _rows(best_rates.report(best_rates.by_rate([high, low])))
    assert rows["found"][:3] == ["57.0", "20.0", "+2.0 ± 1.0"]
    assert rows["bn_relu"] == ["20.0", "55.0"]  # two empty cells are stripped with the line's end
    assert list(rows) == ["found", "bn_relu"]  # one that was trained at some rates only is left out


def test_files_of_other_settings_are_refused():
    records = [_record(0.1, bn_relu=[0.5]), _record(0.2, steps=600, bn_relu=[0.5])]
    with pytest.raises(SystemExit, match=r"in learning_rate alone, not in \['steps'\]"):
        best_rates.by_rate(records)
