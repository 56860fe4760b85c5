"""The command line's view of artefacts: what there is, what one is, whether it is whole."""

from __future__ import annotations

import shutil

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.core.files import file_sha256
from diffusion_mpc_ros.core.resources import model_folder, model_names


def test_every_shipped_artefact_is_listed_with_its_kind(capsys):
    assert cli.main(["artefact", "list"]) == 0
    output = capsys.readouterr().out
    rows = {
        words[0]: words[1] for words in (line.split() for line in output.replace("│", " ").splitlines()) if words[1:]
    }
    assert {name: rows[name] for name in model_names()} == {
        name: {"go2": "prior", "go2_terrain": "prior", "d_mpc": "d_mpc"}.get(name, "demonstrator")
        for name in model_names()
    }


def test_what_an_artefact_is_and_where_it_comes_from_is_shown(capsys):
    assert cli.main(["artefact", "show", "go2"]) == 0
    output = capsys.readouterr().out
    assert file_sha256(model_folder("go2") / "model.onnx") in output
    assert "kind residual_mlp, width 512, blocks 3" in output and "runs/dataset" in output and "posture" in output


def test_a_whole_artefact_is_told_from_a_damaged_one(capsys, random_artefact, tmp_path):
    assert cli.main(["artefact", "check", str(random_artefact), "demonstrator"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["whole", "whole"]
    folder = shutil.copytree(random_artefact, tmp_path / "damaged")
    with open(folder / "weights.safetensors", "ab") as file:
        file.write(b"x")
    assert cli.main(["artefact", "check", str(folder)]) == 2
    assert "weights.safetensors is corrupt: SHA-256" in capsys.readouterr().err
