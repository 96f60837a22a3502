"""Costs of layers, and the search for the fewest to keep."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_nets

from export.quantize.insert_qdq import candidates, quantize
from export.quantize.sensitivity import Cost, costs, fewest_kept, table
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses


def poses(yaw_deg: list[float]) -> Poses:
    angles = np.zeros((len(yaw_deg), 3), np.float32)
    angles[:, 0] = yaw_deg
    return Poses(angles, np.zeros_like(angles), rotation_from_euler(angles.astype(np.float64)).astype(np.float32))


def test_costs_are_of_one_layer_at_a_time_and_the_dearest_comes_first():
    net = tiny_nets.residual_net()
    moved = {"first": [1.0, 3.0], "second": [0.0, np.nan], "depthwise": [0.5, 0.5]}
    asked = []

    def said(model):
        quantised = {node.name.split("_")[0] for node in model.graph.node if node.op_type == "QuantizeLinear"} - {"add"}
        asked.append(quantised)
        return poses(moved[quantised.pop()])

    ranges = {"stem_out": 3.0, "first_out": 4.0, "sum_out": 5.0}
    shares = {"first": 0.5, "second": 0.0, "depthwise": 0.1}
    found = costs(lambda layer: quantize(net, [layer], ranges), candidates(net), poses([0, 0]), said, shares)
    assert len(asked) == 3
    assert [cost.layer for cost in found] == ["second", "first", "depthwise"]
    assert (found[0].mean_deg, found[0].tail_deg) == (pytest.approx(90, abs=1e-3), 180)  # NaN is the largest distance
    assert (found[1].mean_deg, found[1].worst_deg) == (pytest.approx(2, abs=1e-3), pytest.approx(3, abs=1e-3))
    head, *rows = table(found, ["second"])
    assert head.split()[-4:] == ["mean", "tail", "worst", "work"]
    assert rows[0].endswith("kept in float32")
    assert rows[1].split() == ["first", "2.000", "3.000", "3.000", "50.0", "%"]


def test_of_two_equal_noises_the_one_that_costs_less_time_is_kept_first():
    cheap, dear = (Cost(name, 1.0, 2.0, 3.0, share) for name, share in (("cheap", 0.01), ("dear", 0.3)))
    assert cheap.gain > dear.gain
    assert Cost("loud", 1.0, 9.0, 9.0, 0.3).gain > cheap.gain


@pytest.mark.parametrize("layers", [1, 2, 3, 7, 50])
def test_fewest_layers_are_kept_in_few_trials(layers):
    found = [Cost(f"layer{i}", 1.0, 1.0, 1.0, 0.1) for i in range(layers)]
    for needed in range(layers):
        trials = []

        def passes(kept, needed=needed, trials=trials):
            trials.append(list(kept))
            return len(kept) >= needed

        assert fewest_kept(found, passes) == [f"layer{i}" for i in range(needed)]
        assert len(trials) <= 2 * np.ceil(np.log2(layers + 1)) + 2
        assert len(trials) == len({len(kept) for kept in trials})


def test_none_is_said_where_even_one_layer_is_too_many():
    found = [Cost(f"layer{i}", 1.0, 1.0, 1.0, 0.1) for i in range(5)]
    trials = []
    assert fewest_kept(found, lambda kept: bool(trials.append(len(kept)))) is None
    assert max(trials) == 4
