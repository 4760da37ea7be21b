"""What the report of the stability test counts; and one layer through all of it."""

import dataclasses

import pytest

from benchmarks import stability
from evonorm_tf import registry
from search.evaluation.images import load_data
from search.presets import preset
from search.replay.table import PACKAGED, Table

LIMIT = 1e8


def _network(norm, finite=True, last=0.9):
    norms = dict.fromkeys(stability.TESTS, norm)
    return {"norms": norms, "finite": finite, "accuracies": [0.5, last if finite else 0.0]}


def _layers():
    rejected = {
        "1": [_network(None, finite=False), _network(2e8)],
        "2": [_network(1e3, last=0.1), _network(3e8, last=0.8)],
    }
    accepted = {"3": [_network(10.0), _network(1e8, last=0.7)]}
    kinds = {stability.REJECTED: rejected, stability.ACCEPTED: accepted}
    return {
        row: {"kind": kind, "networks": dict(zip(("a", "b"), networks, strict=True))}
        for kind, rows in kinds.items()
        for row, networks in rows.items()
    }


def _row(text, title):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_report_counts_how_trainings_end():
    text = stability.report(_layers(), LIMIT)
    count, broken, guessing, middle = _row(text, "rejected by the search")
    assert (count, middle) == ("4", "85.0 %")  # the median of 0.9 and 0.8
    assert broken.startswith("1 of 4, 25 %")
    assert guessing.startswith("1 of 4, 25 %")
    count, broken, guessing, middle = _row(text, "accepted by the search")
    assert (count, middle) == ("2", "80.0 %")
    assert broken.startswith("0 of 2") and guessing.startswith("0 of 2")


def test_the_report_counts_what_each_test_rejects():
    text = stability.report(_layers(), LIMIT)
    one_network = _row(text, "100 steps")
    assert one_network[0].startswith("1 of 2, 50 %")
    assert one_network[1].startswith("0 of 1")
    both = _row(text, "as in the demo, on both networks")
    assert both[0].startswith("2 of 2, 100 %")
    assert both[1].startswith("0 of 1")  # a norm at the limit does not exceed it


def test_the_sample_has_layers_of_both_kinds_each_function_once():
    table = Table.load(PACKAGED)
    chosen = stability.sampled(table, 20)
    assert {len(rows) for rows in chosen.values()} == {20}
    rejected, accepted = (chosen[kind] for kind in (stability.REJECTED, stability.ACCEPTED))
    assert set(table.verdict[rejected]) == {"stability"}
    assert set(table.verdict[accepted]) == {"accepted"}
    assert len({int(table.function[row]) for row in rejected + accepted}) == 40
    assert all(table.mean_scores[row].mean() >= 0.2 for row in accepted)
    assert stability.sampled(table, 20) == chosen


@pytest.mark.nightly
def test_evonorm_b0_is_stable_and_learns_in_the_long_training():
    settings = dataclasses.replace(preset("demo").evaluation, steps=200)
    networks = stability._Networks("resnet_small", load_data(settings), settings)
    graph = registry.graph("evonorm_b0")
    found = {"norms": {}}
    assert networks.complete(found, graph)
    assert set(found["norms"]) == set(stability.TESTS)
    assert found["norms"]["100 steps"] >= found["norms"][next(iter(stability.TESTS))] > 0
    assert found["finite"]
    first, last = found["accuracies"]
    assert last > 0.5 and last >= first
    # A file of fewer tests gets what it lacks, and its trainings stay.
    del found["norms"]["4 images"]
    assert networks.complete(found, graph)
    assert found["norms"]["4 images"] > 0 and found["accuracies"] == [first, last]
    assert not networks.complete(found, graph)
