"""What a variant of a training scores, by hand; and the rows of the table."""

from __future__ import annotations

import pytest

from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.evaluation.ablation import Variant, grid, spread, training_seed
from diffusion_mpc_ros.evaluation.experiments.finetune import Config


def row(condition, method, error, survival=1.0):
    return {"condition": condition, "method": method, "velocity_error": error, "survival": survival}


class OfSeed(Variant):
    """A training whose folder is its seed."""

    @property
    def method(self) -> str:
        return f"{self.name}, seed {self.folder}"


def test_a_line_has_the_mean_over_the_seeds_and_their_range():
    variants = [OfSeed("no replay", "1"), OfSeed("no replay", "2")]
    rows = [
        row("flat", "untuned", 0.06), row("soft", "untuned", 0.10), row("payload 8 kg", "untuned", 0.20, 0.9),
        row("flat", "no replay, seed 1", 0.08), row("soft", "no replay, seed 1", 0.06, 0.5),
        row("payload 8 kg", "no replay, seed 1", 0.10, 0.7),
        row("flat", "no replay, seed 2", 0.10, 0.5), row("soft", "no replay, seed 2", 0.02),
        row("payload 8 kg", "no replay, seed 2", 0.06),
    ]  # fmt: skip
    assert list(grid(rows, variants, "untuned").rows) == [
        ("untuned", "1", "95.0%", "0.150", "100.0%", "0.060"),
        (
            "no replay", "2", "80.0% (60.0% to 100.0%)", "0.060 (0.040 to 0.080)", "75.0% (50.0% to 100.0%)",
            "0.090 (0.080 to 0.100)",
        ),
    ]  # fmt: skip


def test_a_single_seed_has_no_range():
    assert spread([0.25], "{:.2f}") == "0.25"


@pytest.mark.parametrize("text", ["no replay", "=runs/a", "no replay="])
def test_what_is_no_training_is_refused(text):
    with pytest.raises(ConfigurationError, match="VARIANT=FOLDER, such as 'no replay=runs"):
        Variant.parse(text)


def test_an_artefact_without_finetuning_is_no_training():
    with pytest.raises(ConfigurationError, match="go2 was not finetuned"):
        Variant("window", "go2").method  # noqa: B018


def test_a_variant_walks_the_conditions_beside_the_untuned_one(tmp_path):
    config = Config(
        tables=("ablation",), ablation=("takeover=go2_terrain",), conditions=("flat", "soft"), robots=1, ticks=3,
        json=tmp_path / "finetune.json",
    )  # fmt: skip
    rows, method = config.measure()["rows"], f"takeover, seed {training_seed(config.variants[0].artefact)}"
    labels = list(dict.fromkeys((each["condition"], each["method"]) for each in rows))
    assert labels == [("flat", "untuned"), ("soft", "untuned"), ("flat", method), ("soft", method)]
    assert {each["table"] for each in rows} == {"ablation"} and len(config.grids({"rows": rows})) == 2
