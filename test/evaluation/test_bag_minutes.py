"""How much of a loss is mended, by hand; and the rows of the table."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.core.resources import model_folder
from diffusion_mpc_ros.evaluation.bag_minutes import FromBag, grid, mended
from diffusion_mpc_ros.evaluation.experiments.finetune import Config
from diffusion_mpc_ros.policies.closed_loop import COMMANDS


def row(condition, method, error, survival=1.0):
    return {"condition": condition, "method": method, "velocity_error": error, "survival": survival}


def test_the_share_of_the_loss_by_hand():
    # The change costs .14 - .06 = .08; .14 - .08 = .06 is won back.
    assert mended(0.06, 0.14, 0.08) == pytest.approx(0.75)
    assert mended(0.06, 0.14, 0.16) == pytest.approx(-0.25)


def test_a_line_says_before_and_after_with_the_change_and_without():
    bag = FromBag.parse("slope 12 deg:5=runs/a")
    rows = [
        row("flat", "untuned", 0.05), row("flat", "untuned", 0.07), row("flat", bag.method, 0.06),
        row("slope 12 deg", "untuned", 0.30, 0.8), row("slope 12 deg", "untuned", 0.32, 0.9),
        row("slope 12 deg", bag.method, 0.11),
    ]  # fmt: skip
    (line,) = grid(rows, [bag], "untuned").rows
    assert line == ("slope 12 deg", "5", "85.0%", "100.0%", "0.310", "0.110", "0.060", "0.060", "80%")


@pytest.mark.parametrize("text", ["payload 8 kg=runs/a", "payload 8 kg:five=runs/a", "moon:5=runs/a", "slope 12 deg:5"])
def test_what_is_no_artefact_of_a_bag_is_refused(text):
    with pytest.raises(ConfigurationError, match="CHANGE:MINUTES=FOLDER.*changes: payload 8 kg, motors x 0.7, slope"):
        FromBag.parse(text)


def test_bags_walk_with_their_change_and_without_it(tmp_path):
    bag = f"motors x 0.7:2={model_folder('go2')}"
    config = Config(tables=("bag",), bags=(bag,), robots=1, ticks=4, json=tmp_path / "finetune.json")
    rows = config.measure()["rows"]
    labels = list(dict.fromkeys((each["condition"], each["method"], each["minutes"]) for each in rows))
    method = "2 min of motors x 0.7"
    assert labels == [
        ("flat", "untuned", 0.0), ("motors x 0.7", "untuned", 0.0), ("flat", method, 2.0), ("motors x 0.7", method, 2.0)
    ]  # fmt: skip
    assert len(rows) == 4 * len(COMMANDS) and {each["table"] for each in rows} == {"bag"}
    assert len(config.grids({"rows": rows})) == 2
