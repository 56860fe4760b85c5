"""Nothing that is read is executed: what the sources may not use, found in their syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("diffusion_mpc_ros", "tools", "launch")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
# They run code that is in their input.
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.unsafe_load_all",
    "yaml.full_load",
    "pd.read_pickle",
}


def forbidden(source: str) -> list[str]:
    """What of ``source`` executes its input, a line each."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"line {node.lineno}: import of {name}" for name in names if name.split(".")[0] in MODULES]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (
                name in CALLS
                or keywords.get("shell", "False") != "False"
                or keywords.get("allow_pickle", "False") != "False"
                or (name == "torch.load" and keywords.get("weights_only") != "True")
            ):
                found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_executes_its_input(path):
    assert forbidden(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from marshal import loads",
        "def f():\n    import dill.source",
        "eval('1')",
        "exec(text)",
        "compile(text, '', 'exec')",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "subprocess.Popen('ls', shell=flag)",
    ],
)
def test_the_rule_sees(source):
    assert len(forbidden(source)) == 1


def test_the_rule_lets_through_what_is_harmless():
    assert (
        forbidden(
            "import json\nnp.load(path)\ntorch.load(path, weights_only=True)\nyaml.safe_load(text)\nre.compile('a')\n"
            "subprocess.run(['ls'], shell=False)\ncore.compile_model(model)"
        )
        == []
    )
