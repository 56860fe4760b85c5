"""``diffusion-mpc bench planner``: the report, what it leaves out and why, its exit status. No time is asserted."""

import json
import subprocess
import sys

import pytest

from diffusion_mpc_ros import cli
from diffusion_mpc_ros.commands import bench
from diffusion_mpc_ros.commands.bench import Config
from diffusion_mpc_ros.core.errors import ConfigurationError
from diffusion_mpc_ros.diffusion.processor import computes_in_int8
from diffusion_mpc_ros.evaluation.planner_bench import in_own_process

SMALL = ["--candidates", "2", "--steps", "3", "--threads", "1", "--plans", "3", "--backends", "onnxruntime"]


def test_the_report_has_a_row_a_case_with_times_ratios_and_parity(tmp_path, capsys):
    file = tmp_path / "results" / "bench.json"
    assert cli.main(["bench", "planner", *SMALL, "--no-compiled", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert report["machine"]["cores"] >= 1 and len(report["artefact"]) == 64 and report["plans"] == 3
    precisions = ["f32", "int8"] if computes_in_int8() else ["f32"]
    kinds = [(row["guided"], row["precision"]) for row in report["rows"]]
    assert kinds == [(guided, precision) for guided in (False, True) for precision in precisions]
    for row in report["rows"]:
        expected = {"backend": "onnxruntime", "candidates": 2, "steps": 3, "sampler": "ddim", "threads": 1}
        assert {name: row[name] for name in expected} == expected
        assert 0.0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
        # 2 candidates, 3 steps: see test_reference_planner for the network's shapes.
        denoiser, reward_model = 720 * 512 + 6 * 512 * 512 + 512 * 684, 720 * 128 + 2 * 128 * 128 + 128 * 10
        # The reward model: there and back in each step, and once more for the reward of the result.
        assert row["flops"] == 2 * 2 * (3 * denoiser + (7 * reward_model if row["guided"] else 0))
        assert row["ratio_torch"] == pytest.approx(row["torch_ms"] / row["p50_ms"])
        assert row["ratio_gemm"] == pytest.approx(row["p50_ms"] / row["gemm_ms"])
        assert row["ratio_torch_compile"] is None
        assert row["plan_difference_rad"] <= (bench.PARITY_TOLERANCE if row["precision"] == "f32" else 0.2)
        assert 10.0 < row["memory_mib"] < 10_000.0
    assert "onnxruntime bf16" in capsys.readouterr().out


def test_a_bench_goes_on_where_it_was_and_measures_again_what_has_fewer_references(tmp_path, monkeypatch):
    measured = []

    def row(self, cell):
        measured.append((cell[0].candidates, self.wanted["references"]))
        return {**self.labels(cell), **self.wanted}

    monkeypatch.setattr(Config, "run", row)
    small = {"steps": (3,), "threads": (1,), "backends": ("onnxruntime",), "precisions": ("f32",)}

    def run(**settings):
        measured.clear()
        report = Config(json=tmp_path / "bench.json", **small, **settings).measure()
        return list(measured), len(report["rows"])

    assert run(candidates=(1,), references=False) == ([(1, False)] * 2, 2)  # guided and not
    assert run(candidates=(1, 10), references=False) == ([(10, False)] * 2, 4)
    assert run(candidates=(1, 10), references=False) == ([], 4)
    assert run(candidates=(10,), compiled=False) == ([(10, True)] * 2, 4)
    assert run(candidates=(1, 10), references=False) == ([], 4)
    with pytest.raises(ConfigurationError, match="plans 200 there, 3 now"):
        run(candidates=(10,), references=False, plans=3)


def test_without_torch_the_references_are_left_out_with_a_line(monkeypatch, capsys):
    find = bench.importlib.util.find_spec
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert cli.main(["bench", "planner", *SMALL, "--precisions", "f32"]) == 0
    output = capsys.readouterr().out
    assert "left out: torch, torch.compile and matrix products: torch or onnx is not installed" in output


def test_an_f32_plan_unlike_the_references_is_a_failure():
    row = {"precision": "f32", "plan_difference_rad": 2e-4}
    for rows, status in (([row], 1), ([{**row, "plan_difference_rad": float("nan")}], 1),
                         ([{**row, "precision": "bf16"}, {**row, "plan_difference_rad": 1e-6}], 0),
                         ([{**row, "plan_difference_rad": None}], 0)):  # fmt: skip
        assert Config().status({"rows": rows}) == status


def test_more_threads_than_cores_are_left_out(monkeypatch):
    monkeypatch.setattr(bench, "describe_machine", lambda: {"processor": "a CPU", "cores": 1})
    config = Config(threads=(1, 2), steps=(3,), candidates=(1,), backends=("onnxruntime",), references=False)
    assert {case.threads for case, *_ in config.cells()} == {1}
    assert "2 threads: this process has 1 cores" in config.skipped


@pytest.mark.parametrize("settings", [{"plans": 0}, {"candidates": ()}, {"steps": (3, 0)}, {"threads": (-1,)}])
def test_nothing_to_measure_is_refused(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Config(**settings)


def test_an_unknown_precision_is_refused_with_the_valid_ones():
    with pytest.raises(ConfigurationError, match=r"unknown precisions \['f16'\]; valid precisions: f32, bf16"):
        Config(precisions=("f16",)).measure()


def test_what_a_case_raises_arrives_here():
    with pytest.raises(ZeroDivisionError):
        in_own_process(divmod, 1, 0)


def test_peak_memory_remembers_what_was_given_back():
    code = """
from diffusion_mpc_ros.evaluation.planner_bench import peak_memory
before = peak_memory()
block = bytearray(200 << 20)
block[::4096] = b"x" * (200 << 8)
del block
print(peak_memory() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # 200 MiB were touched; the interpreter itself may take a little more.
    assert 195.0 < float(done.stdout) < 215.0
