"""Job scripts and the files beside them: hostile headers, statements, nesting, encodings, names."""

from __future__ import annotations

import codecs

from hypothesis import strategies as st

from tests.hostile.text import listed, mostly

TOML = (
    "[]", '["numpy"]', '["numpy", "ray[serve]>=2"]', '["x @ file:///etc/passwd"]',
    '["a;python_version<\'3\'"]', '["a; os_name ~= \'x\'"]', '["a @ http://["]',
    '["-r x.txt"]', '["A-b_c[d]==1.*"]', '["ray==9999999999999999999999.0"]', "[1]", "[[]]", "{}", '"x"',
    '""', "1",
    "-1", "1e400", "nan", "inf", "true", "1979-05-27", "07:32:00", '"\\u0000"', '"\\U0010ffff\\n\\u001b[2J"',
    "'''a\nb'''", "[" * 300, "[" * 300 + "]" * 300, "[" * 3000, "1" * 5000,
    "0x" + "f" * 9000, "{a=" * 900, "a.b", ">=3.10", '">=3.10"', '"==3.x"', '"2GiB"',
    '"9999999999999999T"',
    '["gs://lab-data/o", "gs://lab-data/p/*"]', '["gs://", "gs:///x", "gs://B\\u001b/o"]',
    '["--output=gs://lab-data/o"]', '["--x"]',
    '["*.csv"]', '["../x", "/etc/passwd", "[", "**/**", "a\\u0000b"]', '["PATH", "A B", "A=B"]',
    "{ cpus = 1 }", '{ cpus = "1", memory = "x" }', "{ resources = { a = 1e8 } }", "{ resources = [1] }",
    '{ numpy = { git = "https://u:p@h/x" } }', '{ numpy = { index = "x", path = 1, workspace = [] } }',
    '[{ name = "x", url = "https://h/simple" }]', '[{ url = 1, default = "x" }]',
)  # fmt: skip
KEYS = (
    "requires-python", "dependencies", "tool.submit.reads", "tool.submit.writes", "tool.submit.folders",
    "tool.submit.env", "tool.submit.files", "tool.submit.entrypoint", "tool.submit.needs",
    "tool.submit.nedds",
    "tool.uv.sources", "tool.uv.index", "tool.uv.index-url", "tool.uv", "tool", "tool.submit",
    "[tool.submit]",
)  # fmt: skip
GOOD = (
    'requires-python = ">=3.10"', 'dependencies = ["numpy", "torch>=2"]',
    'tool.submit.reads = ["gs://lab-data/o", "--x"]',
    'tool.submit.writes = ["--output=gs://lab-data/o/"]', 'tool.submit.env = ["A", "API_TOKEN", "PATH"]',
    'tool.submit.files = ["*.csv", "helper/*"]', "tool.submit.needs = { cpus = 2, gpus = 0.5 }",
    'tool.submit.entrypoint = { memory = "1GiB" }',
    'dependencies = ["x @ file:///etc/passwd", "a @ https://u:p@h/x.whl"]',
    'tool.uv.sources = { numpy = { git = "https://u:p@h/x" } }',
    'tool.uv.index = [{ url = "https://h/simple", default = true }]',
    'tool.submit.reads = ["gs://lab-data/\\u001b[2J/\\u202e*", "gs://lab-data/../x", "gs://lab-data//"]',
    'dependencies = ["ray[serve]>=2", "A-b_c[d]==1.*"]', 'dependencies = ["ray==9999999999999999999999.0"]',
)  # fmt: skip
header_lines = mostly(
    st.sampled_from(GOOD).map(lambda text: f"# {text}"),
    st.builds("# {} = {}".format, st.sampled_from(KEYS), listed(*TOML)),
    8,
)
headers = st.builds(
    lambda lines, end: "\n".join(["# /// script", *lines, end, ""]),
    st.lists(header_lines, max_size=4, unique_by=lambda line: line.partition(" = ")[0]),
    st.sampled_from((*["# ///"] * 60, "#///", "", "# /// script\n# ///")),
)
BODIES = (
    "import torch", "import helper", "from . import x", "from .. import *", "from helper.a.b import c as d",
    "import ray.\u00e9", "import google.colab", "import queue, random",
    "get_ipython().system('x')",
    "import ray; ray.init(num_cpus=2, runtime_env={'working_dir': '.'})", "ray.init(*y, **x)",
    "ray.init(address=f'{x}')",
    "open('data.csv'); open(*a); open(__file__ + 'x')", "open('\\x00'); open('\\ud800'); open('a' * 9)",
    "print('RESULT {}')", "from ray import tune; tune.Tuner(storage_path='gs://lab-data/x')",
    "x = '\\N{DASH}'",
    "ds.write_parquet('gs://lab-data/\\x1b', **k); tune.run(*a, storage_path=x.y[z])",
    "f'{x!r:{y}}' ''f'{{}}'",
    "match x:\n  case [*_, {'a': b, **c}]: pass", "async def f():\n  async with a as b: await c",
    "x: int = (y := 3)", "global x", "return", "del a, (b, [c])", "lambda *a, b=1, **c: 0", "\f\v",
    "key = 'AKIAIOSFODNN7EXAMPLE'", "url = 'https://u:hunter2@h/'", "x = 1" + "0" * 5000,
    "_ = '" + "a" * 70000 + "'",
    "@a.b(c)[d]\nclass X(Y, metaclass=Z):\n  import torch", "try:\n  import a\nexcept* E:\n  pass",
    "import importlib; importlib.import_module('.x', __package__); __import__(y)", "exec('import torch')",
)  # fmt: skip
BROKEN = (
    "from __future__ import braces", "%matplotlib inline", "!pip install x", "def f(:", "x = 1 if", "\tx\n  y",
    "type X[T] = int", "\x00", "\x1a",
)  # fmt: skip
DEEP = (
    ("{}1", "-", ""),
    ("x{}", ".a", ""),
    ("{}1{}", "(", ")"),
    ("{}{}", "[", "]"),
    ("1{}", "+1", ""),
    ("f{}", "()", ""),
)
SHAPES = (
    *DEEP,
    ("x{}", "[0]", ""),
    ("x{} = 1", ", x", ""),
    ("import a{}", ".b", ""),
    ("{}1", "lambda:", ""),
    ("{}1", "not ", ""),
)


def nested(shape: tuple[str, str, str], depth: int) -> str:
    text, opening, closing = shape
    return (
        text.format(opening * depth, closing * depth)
        if text.count("{}") == 2
        else text.format(opening * depth)
    )


deep = st.builds(nested, st.sampled_from(SHAPES), st.sampled_from((2, 90, 600, 3000)))
bodies = mostly(st.sampled_from(BODIES), deep | st.sampled_from(BROKEN) | st.text(max_size=15))
COOKIES = (
    *[""] * 30,
    "# -*- coding: latin-1 -*-\n",
    "# coding: utf-7\n",
    "# coding: rot13\n",
    "# coding: no-such\n",
    "# coding: hex\n",
    "#!/usr/bin/env python\n",
)
ENCODINGS = (*["utf-8"] * 30, "utf-8-sig", "latin-1", "utf-16", "utf-7", "cp1252")


def encoded(cookie: str, header: str, lines: list[str], newline: str, encoding: str) -> bytes:
    text = newline.join((cookie + header + "\n".join(lines)).split("\n"))
    return codecs.encode(text, encoding, "replace" if encoding != "utf-8" else "surrogatepass")


written = st.builds(
    encoded,
    st.sampled_from(COOKIES),
    headers | st.just(""),
    st.lists(bodies, max_size=3),
    st.sampled_from(("\n", "\n", "\n", "\r\n", "\r")),
    st.sampled_from(ENCODINGS),
)
RAW = (b"\xff\xfe", b"\xef\xbb\xbf# coding: latin-1\n", b"\0", b"# coding: \x1b[2J\n", b"\x80")
modules = mostly(written, st.sampled_from(RAW), 20)
BESIDE = (
    "helper.py", "helper/__init__.py", "helper/a.py", "torch.py", "queue.py", "ray.py", "x.so", "data.csv",
    ".env",
    ".gitignore", ".rayignore", "a\nb.py", "\udcff.py", "id_rsa", "src/x/__init__.py", "pyproject.toml",
    "\x1b[2J.csv",
)  # fmt: skip
files = st.dictionaries(st.sampled_from(BESIDE), modules, max_size=3)
scripts = st.sampled_from(
    ("x.py", "x.py", "a b.py", "./-x.py", "$(id).py", "x", "\u202e\n\x1b[2J.py", "\u00e9.py", "ray.py")
)
