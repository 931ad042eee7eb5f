"""Strategies for what reaches the submitter from outside: scripts, command lines, environments, `.env`, and a cluster.

Hostile, and near enough to the real thing to come past the first check.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.fakes import Answer

CODES = "\x1b[2J\x1b]0;x\x07\r\u202e\u2028"  # a terminal's codes, a line end, an override of direction
HARD = (
    "",
    " ",
    "-",
    "--",
    "\n",
    "=",
    "$HOME",
    "$(id)",
    "`id`",
    "%s",
    "{}",
    "[bold]",
    "~",
    "..",
    "a\nb",
    "'\"",
    CODES,
)
hard_text = st.one_of(
    st.sampled_from(HARD),
    st.text(max_size=12),
    st.binary(max_size=8).map(os.fsdecode),  # with lone surrogates
    st.text(st.characters(), min_size=1, max_size=3).map(lambda text: text * 700),
)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from((10**400, -(10**20), 1e308, 2**63)))
scalars = st.one_of(st.none(), st.booleans(), numbers, hard_text)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hard_text, inner, max_size=3),
    max_leaves=6,
)


def listed(*choices: str) -> st.SearchStrategy[str]:
    """Mostly one of these, now and then anything."""
    return st.sampled_from(choices) | st.sampled_from(choices) | hard_text


# Scripts
TOML = (
    "[]", '["numpy"]', '["numpy", "ray[serve]>=2"]', '["x @ file:///etc/passwd"]', '["a;python_version<\'3\'"]',
    '["-r x.txt"]', '["A-b_c[d]==1.*"]', '["ray==9999999999999999999999.0"]', "[1]", "[[]]", "{}", '"x"', '""', "1",
    "-1", "1e400", "nan", "inf", "true", "1979-05-27", "07:32:00", '"\\u0000"', '"\\U0010ffff\\n\\u001b[2J"',
    "'''a\nb'''", "[" * 300, "[" * 300 + "]" * 300, "a.b", ">=3.10", '">=3.10"', '"==3.x"', '"2GiB"', '"9999999999999999T"',
    '["gs://lab-data/o", "gs://lab-data/p/*"]', '["gs://", "gs:///x", "gs://B\\u001b/o"]', '["--output=gs://lab-data/o"]', '["--x"]',
    '["*.csv"]', '["../x", "/etc/passwd", "[", "**/**", "a\\u0000b"]', '["PATH", "A B", "A=B"]',
    "{ cpus = 1 }", '{ cpus = "1", memory = "x" }', "{ resources = { a = 1e8 } }", "{ resources = [1] }",
    '{ numpy = { git = "https://u:p@h/x" } }', '{ numpy = { index = "x", path = 1, workspace = [] } }',
    '[{ name = "x", url = "https://h/simple" }]', '[{ url = 1, default = "x" }]',
)  # fmt: skip
KEYS = (
    "requires-python", "dependencies", "tool.submit.reads", "tool.submit.writes", "tool.submit.folders",
    "tool.submit.env", "tool.submit.files", "tool.submit.entrypoint", "tool.submit.needs", "tool.submit.nedds",
    "tool.uv.sources", "tool.uv.index", "tool.uv.index-url", "tool.uv", "tool", "tool.submit", "[tool.submit]",
)  # fmt: skip
GOOD = (
    'requires-python = ">=3.10"', 'dependencies = ["numpy", "torch>=2"]', 'tool.submit.reads = ["gs://lab-data/o", "--x"]',
    'tool.submit.writes = ["--output=gs://lab-data/o/"]', 'tool.submit.env = ["A", "API_TOKEN", "PATH"]',
    'tool.submit.files = ["*.csv", "helper/*"]', "tool.submit.needs = { cpus = 2, gpus = 0.5 }",
    'tool.submit.entrypoint = { memory = "1GiB" }', 'dependencies = ["x @ file:///etc/passwd", "a @ https://u:p@h/x.whl"]',
    'tool.uv.sources = { numpy = { git = "https://u:p@h/x" } }', 'tool.uv.index = [{ url = "https://h/simple", default = true }]',
    'tool.submit.reads = ["gs://lab-data/\\u001b[2J/\\u202e*", "gs://lab-data/../x", "gs://lab-data//"]',
    'dependencies = ["ray[serve]>=2", "A-b_c[d]==1.*"]', 'dependencies = ["ray==9999999999999999999999.0"]',
)  # fmt: skip
header_lines = st.one_of(
    st.sampled_from(GOOD).map(lambda text: f"# {text}"),
    st.sampled_from(GOOD).map(lambda text: f"# {text}"),
    st.builds("# {} = {}".format, st.sampled_from(KEYS), listed(*TOML)),
)
headers = st.builds(
    lambda lines, end: "\n".join(["# /// script", *lines, end, ""]),
    st.lists(header_lines, max_size=4),
    st.sampled_from((*["# ///"] * 9, "#///", "", "# /// script\n# ///")),
)
BODIES = (
    "import torch", "import helper", "from . import x", "from .. import *", "from helper.a.b import c as d",
    "import ray.\u00e9", "import google.colab", "from __future__ import braces", "import queue, random",
    "%matplotlib inline", "!pip install x", "get_ipython().system('x')", "def f(:", "x = 1 if", "\tx\n  y",
    "import ray; ray.init(num_cpus=2, runtime_env={'working_dir': '.'})", "ray.init(**x, *y)", "ray.init(address=f'{x}')",
    "open('data.csv'); open(*a); open(__file__ + 'x')", "open('\\x00'); open('\\ud800'); open('a' * 9)",
    "print('RESULT {}')", "from ray import tune; tune.Tuner(storage_path='gs://lab-data/x')", "x = '\\N{DASH}'",
    "ds.write_parquet('gs://lab-data/\\x1b', **k); tune.run(*a, storage_path=x.y[z])", "f'{x!r:{y}}' ''f'{{}}'",
    "match x:\n  case [*_, {'a': b, **c}]: pass", "async def f():\n  async with a as b: await c", "type X[T] = int",
    "x: int = (y := 3)", "global x", "return", "del a, (b, [c])", "lambda *a, b=1, **c: 0", "\f\v", "\x00", "\x1a",
    "key = 'AKIAIOSFODNN7EXAMPLE'", "url = 'https://u:hunter2@h/'", "x = 1" + "0" * 5000, "_ = '" + "a" * 70000 + "'",
    "@a.b(c)[d]\nclass X(Y, metaclass=Z):\n  import torch", "try:\n  import a\nexcept* E:\n  pass",
    "import importlib; importlib.import_module('.x', __package__); __import__(y)", "exec('import torch')",
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


bodies = st.one_of(
    st.sampled_from(BODIES),
    st.sampled_from(BODIES),
    st.sampled_from(BODIES),
    st.text(max_size=15),
    st.builds(nested, st.sampled_from(SHAPES), st.sampled_from((2, 90, 600, 3000))),
)
COOKIES = (
    *[""] * 12,
    "# -*- coding: latin-1 -*-\n",
    "# coding: utf-7\n",
    "# coding: rot13\n",
    "# coding: no-such\n",
    "# coding: hex\n",
    "#!/usr/bin/env python\n",
)
ENCODINGS = (*["utf-8"] * 12, "utf-8-sig", "latin-1", "utf-16", "utf-7", "cp1252")


def encoded(cookie: str, header: str, lines: list[str], newline: str, encoding: str) -> bytes:
    text = newline.join((cookie + header + "\n".join(lines)).split("\n"))
    return codecs.encode(text, encoding, "replace" if encoding != "utf-8" else "surrogatepass")


written = st.builds(
    encoded,
    st.sampled_from(COOKIES),
    headers | headers | st.just(""),
    st.lists(bodies, max_size=3),
    st.sampled_from(("\n", "\n", "\n", "\r\n", "\r")),
    st.sampled_from(ENCODINGS),
)
modules = st.one_of(
    written,
    written,
    written,
    written,
    st.sampled_from(
        (b"\xff\xfe", b"\xef\xbb\xbf# coding: latin-1\n", b"\0", b"# coding: \x1b[2J\n", b"\x80")
    ),
)
BESIDE = (
    "helper.py", "helper/__init__.py", "helper/a.py", "torch.py", "queue.py", "ray.py", "x.so", "data.csv", ".env",
    ".gitignore", ".rayignore", "a\nb.py", "\udcff.py", "id_rsa", "src/x/__init__.py", "pyproject.toml", "\x1b[2J.csv",
)  # fmt: skip
files = st.dictionaries(st.sampled_from(BESIDE), modules, max_size=3)
scripts = st.sampled_from(
    ("x.py", "x.py", "a b.py", "-x.py", "$(id).py", "x", "\u202e\n\x1b[2J.py", "\u00e9.py", "ray.py")
)

# The command line. None of the words that a path is written to leads out of the current folder.
words = hard_text.map(lambda text: text.replace("/", "_").replace("\0", ""))
FLAGS: dict[str, tuple[str, ...]] = {
    "--target": ("local", "lokal"),
    "--cluster": ("c",), "--project": ("p",), "--region": ("r",), "--cluster-wait": ("1s", "1y", "-1"),
    "--working-dir": (".", "src", "missing", "x.py", "helper"),
    "--env": ("A=b", "A", "=", "A=$B", "TOKEN=hunter2", "LD_PRELOAD=x", "A=" + "b" * 200_000, "A\n=b"),
    "--entrypoint-num-cpus": ("1", "0", "nan", "-1", "1e999", "٣"),
    "--entrypoint-num-gpus": ("1", "99"), "--entrypoint-memory": ("2GiB", "-1", "1e9g", "9" * 400),
    "--deadline": ("1h", "0", "nan", "1e9d"),
    "--result": ("r.json", "missing_folder", ".", "r\n.json", "a" * 300),
    "--submission-id": ("job-1", "a/b", "x" * 200),
    "--output": ("page.html", ".", "a" * 300),
}  # fmt: skip
BARE = (
    "--dry-run",
    "--no-wait",
    "--probe",
    "--skip-check",
    "--skip-check=imports,secrets",
    "--skip-check=",
    "--help",
    "--n",
    "-h",
    "--",
)
options = st.one_of(
    st.sampled_from(BARE).map(lambda word: [word]),
    st.sampled_from(sorted(FLAGS)).flatmap(lambda flag: st.one_of(st.sampled_from(FLAGS[flag]), words).map(lambda value: [flag, value])),
    st.sampled_from(sorted(FLAGS)).flatmap(lambda flag: words.map(lambda value: [f"{flag}={value}"])),
    st.sampled_from(sorted(FLAGS)).map(lambda flag: [flag[:-1]]),
    words.map(lambda word: [word]),
)  # fmt: skip
ADDRESSES = (
    "{url}", "{url}", "{url}/", "{url}/x y", "http://[", "ray://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:99999",
    "https://127.0.0.1:{port}", "http://u:p@127.0.0.1:{port}", "http://127.0.0.1:x", "http://\u2100", "http://\udcff:1",
    "http://" + "a" * 300, "http://127.0.0.1:{port}/%00?#", "http://\x1b", "file:///etc", "",
)  # fmt: skip
VERBS = ("", "", "", "", "check", "attach", "logs", "stop", "list", "report", "atach", "list_")
arguments = st.lists(
    words
    | st.sampled_from(
        ("--output=gs://lab-data/o", "gs://lab-data/x,gs://lab-models/y", "gs://", "data.csv", "a" * 200_000)
    ),
    max_size=3,
)


@dataclass(frozen=True)
class Line:
    """A command line; `{script}`, `{url}` and `{port}` are filled in."""

    verb: str
    options: list[list[str]]
    operand: str
    place: int  # of the operand among the options
    address: str | None
    arguments: list[str] | None

    def operands(self, script: str) -> list[str]:
        takes = script if self.verb in ("", "check") else "a"
        return [self.operand.replace("{script}", takes)] if self.verb not in ("list", "report") else []

    def words(self, script: str, url: str) -> list[str]:
        groups = [*self.options]
        groups.insert(self.place, self.operands(script))
        if self.address is not None:
            groups.insert(
                0, ["--address", self.address.replace("{url}", url).replace("{port}", url.rpartition(":")[2])]
            )
        said = [self.verb, *(word for group in groups for word in group)]
        return [word for word in said if word] + (
            ["--", *self.arguments] if self.arguments is not None else []
        )


usual_options = st.sampled_from(
    (["--skip-check"], ["--probe"], ["--result", "r.json"], ["--dry-run"], ["--env", "A=b"], ["--no-wait"])
)
usual_lines = st.one_of(
    st.builds(Line, st.just(""), st.lists(usual_options, max_size=2).map(lambda found: [["--skip-check"], *found]),
              st.just("{script}"), st.just(0), st.sampled_from((None, "{url}")), st.sampled_from((None, ["--output=gs://lab-data/o", "1"]))),
    st.builds(Line, st.sampled_from(("attach", "check", "logs", "stop", "list", "report")), st.just([]), st.just("{script}"), st.just(0), st.none(), st.none()),
)  # fmt: skip
operands = st.one_of(
    st.just("{script}"),
    st.just("{script}"),
    st.just("{script}"),
    st.sampled_from(("a", "gone", ".", "/dev/zero", "loop", "x.ipynb")),
    words,
)
lines = st.builds(
    Line,
    st.sampled_from(VERBS),
    st.lists(options, max_size=3),
    operands,
    st.integers(0, 3),
    st.none() | st.none() | st.sampled_from(ADDRESSES),
    st.none() | arguments,
)

# The environment
ODD: dict[str, tuple[str, ...]] = {
    "ALL_PROXY": ("socks5://127.0.0.1:1", "http://127.0.0.1:1", "x", "http://[", "://"),
    "HTTP_PROXY": ("http://127.0.0.1:1", "http://u:p@"), "NO_PROXY": ("*", "127.0.0.1", "[", "a,b"),
    "SSL_CERT_FILE": ("/missing", "/dev/null", "."), "SSLKEYLOGFILE": ("/missing/x",), "SSL_CERT_DIR": ("/missing",),
    "NO_COLOR": ("1",), "COLUMNS": ("0", "-1", "x"), "LINES": ("0",), "TERM": ("dumb", ""),
    "RAYDOCK_STATE": ("state", "~nobody_at_all/x", "/dev/null/x", "a" * 300, "\udcff", "\n"),
    "RAYDOCK_PORT": ("0", "x", "99999", "\u0663", "8265 "), "RAY_ADDRESS": ("http://nowhere:1",),
    "RAY_JOB_HEADERS": ("{", "[]", "[" * 100_000, '{"A": 1}', '{"A\\n": "b"}', '{"A": "\\r\\nB: c"}', '{"\\u00e9": "\\ud800"}'),
    "HOME": ("", "/missing", "\udcff"), "TZ": ("nowhere", ":x"), "LANG": ("C",), "TMPDIR": ("/missing",),
    "GOOGLE_APPLICATION_CREDENTIALS": ("/missing",), "PYTHONPATH": ("\udcff",), "PATH": ("",), "API_TOKEN": ("hunter2",),
}  # fmt: skip
odd_variables = st.sampled_from(sorted(ODD)).flatmap(
    lambda name: st.tuples(st.just(name), listed(*ODD[name]))
)
any_variables = st.tuples(words.filter(lambda name: name and "=" not in name), words)
environments = st.lists(odd_variables | any_variables, max_size=3).map(
    lambda pairs: {name: value.replace("\0", "") for name, value in pairs}
)
dotenv_lines = st.one_of(
    st.builds("{}{}{}".format, listed("A", "RAYDOCK_STATE", "export RAYDOCK_PORT", "HOME"), st.sampled_from(("=", ": ", " = ", "")),
              listed("'", '"a\\', "${A", "${A:?x}", "${A:-${B}}", "$", "\\0777", "a #b", "${" * 500)),
    st.text(max_size=10),
)  # fmt: skip
dotenvs = (
    st.none()
    | st.none()
    | st.lists(dotenv_lines, max_size=3).map(
        lambda lines: "\n".join(lines).encode("utf-8", "surrogateescape")
    )
    | st.binary(max_size=20)
)

# The cluster
RESULTS = (
    b"{}", b'{"a": NaN, "b": -Infinity}', b'{"a": 1e999}', b'{"a": ' + b"[" * 5000, b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"a": "\\ud800", "\\u001b[2J": 1}', b'{"a": "\xff"}', b'{"a": 1' + b"0" * 5000 + b"}", b'{"a": 1, "a": 2}', b"[]", b"1", b"{",
    b'{"tasks": 1, "curves": [], "metrics": "x", "nodes": {"a": []}, "seconds": "\\n"}', b'{"": ""}', b"\x00", b'{"tasks": [{"start": null}]}',
)  # fmt: skip
results = st.one_of(
    st.sampled_from(RESULTS),
    st.binary(max_size=20),
    st.dictionaries(hard_text, values, max_size=3).map(lambda value: json.dumps(value).encode()),
)
log_lines = st.one_of(
    st.binary(max_size=30),
    results.map(lambda line: b"RESULT " + line),
    st.just(b"50%\r\x1b[2K"),
    st.just(b"a" * 40_000),
)
logs = st.lists(log_lines, max_size=4).map(b"\n".join) | st.lists(log_lines, max_size=4).map(
    lambda found: b"".join(line + b"\n" for line in found)
)
ROUTES = (
    "GET /api/jobs/", "GET /api/jobs/a", "POST /api/jobs/", "GET /api/version", "GET /api/v0/nodes", "GET /nodes",
    "GET /api/v0/logs/file", "GET /api/packages", "PUT /api/packages", "GET /lab/", "POST /lab/token", "GET /google/", "POST /google/", "",
)  # fmt: skip
STATUSES = (200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 405, 413, 429, 500, 502, 503, 599)
HEADERS = (
    ("Location", "/"),
    ("Location", "http://["),
    ("Content-Encoding", "gzip"),
    ("Content-Type", "text/html; charset=nope"),
    ("X", "\x1b[2J"),
)
LAB: dict[str, Any] = {
    "generateAccessToken": {"accessToken": "t", "expireTime": "2040-01-01T00:00:00Z"},
    "/lab/token": {"access_token": "t", "expires_in": 1},
    "/lab/": {"job": "serviceAccount:j@p.iam.gserviceaccount.com", "person": "user:a@b.c", "project": "p", "buckets": {"lab-data": "p"}},
    "/testPermissions": {"permissions": ["storage.objects.get"]},
    "/iam": {"bindings": [{"role": "roles/storage.objectAdmin", "members": ["serviceAccount:j@p.iam.gserviceaccount.com"]}], "version": 3},
    "/denypolicies": {"policies": [{"name": "policies/x"}]},
    "/v2/": {"rules": [{"denyRule": {"deniedPrincipals": ["principalSet://goog/public:all"], "deniedPermissions": ["x"]}}]},
    "getIamPolicy": {"bindings": []},
    "/o": {"items": [{"name": "o"}], "name": "o"},
    "": {"projectNumber": "1", "projectId": "p", "accessToken": "t", "name": "b"},
}  # fmt: skip


@dataclass
class Tampering:
    """Replaces answers to requests that begin like `route`, `times` times."""

    route: str
    times: int
    status: int | None = None
    body: bytes | None = None
    place: int = 0  # the part of the JSON that becomes `value`
    value: Any = None
    drop: bool = False  # that part is left out instead
    header: tuple[str, str] | None = None
    cut: int | None = None

    def __call__(self, request: str, answer: Answer) -> Answer:
        if self.times <= 0 or not request.startswith(self.route):
            return answer
        self.times -= 1
        body = self.changed(answer.body) if self.body is None else self.body
        more = (self.header,) if self.header else ()
        return Answer(self.status or answer.status, body, (*answer.headers, *more), self.cut)

    def changed(self, body: bytes) -> bytes:
        """The JSON with one part of it replaced."""
        try:
            told = [json.loads(body)]
        except ValueError:
            return json.dumps(self.value).encode()
        parts = list(parts_of(told))
        holder, key = parts[self.place % len(parts)]
        if self.drop and holder is not told:
            del holder[key]
        else:
            holder[key] = self.value
        return json.dumps(told[0]).encode()


def parts_of(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in JSON that holds a value, the outermost first."""
    keys = (
        list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
    )
    for key in keys:
        yield holder, key
    for key in keys:
        yield from parts_of(holder[key])


times = st.sampled_from((1, 2, 100))
tampering = st.one_of(
    st.builds(Tampering, st.sampled_from(ROUTES), times, place=st.integers(0, 40), value=values, drop=st.booleans()),
    st.builds(Tampering, st.sampled_from(ROUTES), times, place=st.integers(0, 40), value=values, drop=st.booleans()),
    st.builds(
        Tampering,
        st.sampled_from(ROUTES),
        times,
        status=st.none() | st.sampled_from(STATUSES),
        body=st.one_of(st.binary(max_size=20), st.sampled_from((b"", b"<html>sign in</html>", b"[" * 5000, b"null", b"[]", b'"\\ud800"'))),
        header=st.none() | st.sampled_from(HEADERS),
        cut=st.none() | st.integers(0, 5),
    ),
)  # fmt: skip


@dataclass
class Cluster:
    """What the cluster does with the one job."""

    status: str
    message: str
    log: bytes
    supervisor: bytes
    looks: int = 0  # at the running job before it ends
    tampering: list[Tampering] = field(default_factory=list)

    def twist(self, request: str, answer: Answer) -> Answer:
        """An answer after the tampering. The lab's cloud is not the fake's; here it answers."""
        path = request.partition(" ")[2].partition("?")[0]
        if path.startswith(("/lab/", "/google/")):
            told = next(value for key, value in LAB.items() if key in path)
            answer = Answer(200, json.dumps(told).encode(), answer.headers)
        for change in self.tampering:
            answer = change(request, answer)
        return answer


messages = st.one_of(
    hard_text,
    st.just("runtime_env setup failed: x\nERROR: " + CODES + "\nconnection broken by "),
    st.just("No space left on device"),
)
clusters = st.builds(
    Cluster,
    st.sampled_from(("SUCCEEDED", "SUCCEEDED", "FAILED", "STOPPED")),
    messages,
    logs,
    st.just(b"") | st.just(b"") | st.just(b"Job a entrypoint command exited with code 0 \n"),
    st.sampled_from((0, 0, 0, 3)),
    st.lists(tampering, max_size=2),
)
KEPT = {
    "version": 1,
    "submission_id": "kept",
    "target": "local",
    "entrypoint": "python x.py",
    "started": 1.5,
    "ended": 9,
    "cores": 2,
}
RESULT: dict[str, Any] = {
    "job": "j",
    "data": "d",
    "cpus": 1,
    "seconds": {"alone": 3, "ray": 2},
    "speed_up": 1.5,
    "nodes": [{"id": "n1", "node": "cpu-worker-1", "pool": "cpu-worker", "tasks": 2}],
    "tasks": [{"name": "t", "node": "n1", "start": 0.5, "end": 2}, {"node": "n1", "start": 1, "end": 3}],
    "curves": [{"title": "$x", "x": "n", "lines": {"a": [[0, 1], [1, 2]]}}],
    "metrics": {"score": 0.9},
}


def recorded(cpus: int, changes: list[tuple[int, Any]]) -> Any:
    """A record with some of its parts replaced."""
    told = [json.loads(json.dumps({**KEPT, "result": {**RESULT, "cpus": cpus}}))]
    for place, value in changes:
        parts = list(parts_of(told))
        holder, key = parts[place % len(parts)]
        holder[key] = value
    return told[0]


record = st.builds(
    recorded, st.sampled_from((1, 2, 3)), st.lists(st.tuples(st.integers(1, 60), values), max_size=2)
)
records = st.lists(record, max_size=3)


# A world: one part of it hostile, or all of them, so that most runs come far.
PARTS = ("line", "script", "script", "environment", "cluster", "cluster", "cluster", "all")
HEADER = '# /// script\n# dependencies = ["numpy"]\n# [tool.submit]\n# reads = ["gs://lab-data/o"]\n# writes = ["--output"]\n# ///\n'
SKIP = Line("", [["--skip-check"]], "{script}", 0, None, None)


@dataclass
class World:
    """Everything that comes from outside in one run."""

    line: Line
    script: str
    source: bytes
    beside: dict[str, bytes]
    env: dict[str, str]
    dotenv: bytes | None
    cluster: Cluster
    records: list[Any]  # of earlier runs, in the state folder
    encoding: str  # of the two streams


@st.composite
def worlds(draw: st.DrawFn) -> World:
    part = draw(st.sampled_from(PARTS))

    def of(name: str, hostile: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> Any:
        return draw(hostile if part in (name, "all") else usual)

    return World(
        line=of("line", lines, usual_lines if part == "cluster" else st.just(SKIP)),
        script=of("script", scripts, st.just("x.py")),
        source=of("script", modules, st.sampled_from((b"", HEADER.encode()))),
        beside=of("script", files, st.just({})),
        env=of("environment", environments, st.just({})),
        dotenv=of("environment", dotenvs, st.none()),
        cluster=of(
            "cluster", clusters, st.builds(Cluster, st.just("SUCCEEDED"), st.just(""), logs, st.just(b""))
        ),
        records=of("line", records, records if part == "cluster" else st.just([])),
        encoding=draw(st.sampled_from(("utf-8", "utf-8", "ascii", "latin-1"))),
    )
