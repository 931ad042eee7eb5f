"""Command lines, environments and `.env` files."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.hostile.text import hard_text, listed

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
    st.sampled_from(sorted(FLAGS)).flatmap(
        lambda flag: (st.sampled_from(FLAGS[flag]) | words).map(lambda value: [flag, value])
    ),
    st.sampled_from(sorted(FLAGS)).flatmap(lambda flag: words.map(lambda value: [f"{flag}={value}"])),
    st.sampled_from(sorted(FLAGS)).map(lambda flag: [flag[:-1]]),
    words.map(lambda word: [word]),
)  # fmt: skip
ADDRESSES = (
    "{url}", "{url}", "{url}/", "{url}/x y", "http://[", "ray://127.0.0.1:1", "http://127.0.0.1:1",
    "http://127.0.0.1:99999",
    "https://127.0.0.1:{port}", "http://u:p@127.0.0.1:{port}", "http://127.0.0.1:x", "http://\u2100",
    "http://\udcff:1",
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
    st.builds(
        lambda found, address, given: Line("", [["--skip-check"], *found], "{script}", 0, address, given),
        st.lists(usual_options, max_size=2),
        st.sampled_from((None, "{url}")),
        st.sampled_from((None, ["--output=gs://lab-data/o", "1"])),
    ),
    st.sampled_from(("attach", "check", "logs", "stop", "list", "report")).map(
        lambda verb: Line(verb, [], "{script}", 0, None, None)
    ),
)
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
    "RAY_JOB_HEADERS": (
        "{", "[]", "[" * 100_000, '{"A": 1}', '{"A\\n": "b"}', '{"A": "\\r\\nB: c"}', '{"\\u00e9": "\\ud800"}',
    ),
    "HOME": ("", "/missing", "\udcff"), "TZ": ("nowhere", ":x"), "LANG": ("C",), "TMPDIR": ("/missing",),
    "GOOGLE_APPLICATION_CREDENTIALS": ("/missing",), "PYTHONPATH": ("\udcff",), "PATH": ("",),
    "API_TOKEN": ("hunter2",),
}  # fmt: skip
odd_variables = st.sampled_from(sorted(ODD)).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(ODD[name]) | st.sampled_from(ODD[name]) | words)
)
any_variables = st.tuples(words.filter(lambda name: name and "=" not in name), words)
environments = st.lists(odd_variables | any_variables, max_size=3).map(
    lambda pairs: {name: value.replace("\0", "") for name, value in pairs}
)
DOTENV = ("'", '"a\\', "${A", "${A:?x}", "${A:-${B}}", "$", "\\0777", "a #b", "${" * 500)
dotenv_lines = st.builds(
    "{}{}{}".format,
    listed("A", "RAYDOCK_STATE", "export RAYDOCK_PORT", "HOME"),
    st.sampled_from(("=", ": ", " = ", "")),
    st.sampled_from(DOTENV) | words,
) | st.text(max_size=10)
dotenvs = (
    st.none()
    | st.none()
    | st.lists(dotenv_lines, max_size=3).map(
        lambda lines: "\n".join(lines).encode("utf-8", "surrogateescape")
    )
    | st.binary(max_size=20)
)
