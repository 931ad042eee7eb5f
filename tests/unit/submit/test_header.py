"""The header of a job script: what it can declare, and the message for each mistake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raydock.errors import UsageError
from raydock.jobscript.header import Header, Resources, memory_bytes, read_header


def script(*lines: str) -> str:
    return "\n".join(
        ['"""A job."""', "# /// script", *(f"# {line}" if line else "#" for line in lines), "# ///", ""]
    )


def test_complete_header() -> None:
    header = read_header(
        script(
            'requires-python = ">=3.10"',
            'dependencies = ["scikit-learn>=1.5", "ray[tune]"]',
            "",
            "[tool.submit]",
            'reads = ["gs://lab-data/x", "--data"]',
            'writes = ["--output"]',
            'folders = ["--output"]',
            'env = ["MODE"]',
            'files = ["data/*.csv"]',
            "[tool.submit.entrypoint]",
            "cpus = 0.5",
            'memory = "2GiB"',
            "resources = { head_disk = 1 }",
            "[tool.submit.needs]",
            "cpus = 2",
            "gpus = 1",
        ),
        "x.py",
    )
    assert header == Header(
        requires_python=">=3.10",
        dependencies=("scikit-learn>=1.5", "ray[tune]"),
        reads=("gs://lab-data/x", "--data"),
        writes=("--output",),
        folders=("--output",),
        env=("MODE",),
        written=True,
        files=("data/*.csv",),
        entrypoint=Resources(cpus=0.5, memory=2 * 2**30, resources={"head_disk": 1}),
        needs=Resources(cpus=2, gpus=1),
    )


@pytest.mark.parametrize("source", ["", "import ray\n", "# /// other\n# a = 1\n# ///\n", "# script ///\n"])
def test_script_without_header(source: str) -> None:
    assert read_header(source, "x.py") == Header()


REFUSED = {
    "misspelt key": (
        script("[tool.submit]", 'read = ["x"]'),
        "x.py: the header has an unknown key 'tool.submit.read'.",
        "did you mean 'reads'?",
    ),
    "misspelt top key": (
        script('dependancies = ["x"]'),
        "x.py: the header has an unknown key 'dependancies'.",
        "did you mean 'dependencies'?",
    ),
    "a key like no other": (
        script("[tool.submit]", "zzz = 1"),
        "x.py: the header has an unknown key 'tool.submit.zzz'.",
        "known keys: entrypoint, env, files, folders, needs, reads, writes",
    ),
    "misspelt resource": (
        script("[tool.submit.needs]", "cpu = 1"),
        "x.py: the header has an unknown key 'tool.submit.needs.cpu'.",
        "did you mean 'cpus'?",
    ),
    "a value for a variable": (
        script("[tool.submit]", 'env = ["A=1"]'),
        "x.py: tool.submit.env contains 'A=1', which is not a variable name.",
        "list only the name, and pass the value when you submit the job: --env NAME=VALUE",
    ),
    "not TOML": (
        script('dependencies = ["a"', "x = 1"),
        "x.py:4: the header is not valid TOML: Unclosed array.",
        "correct that line",
    ),
    "nested too deeply": (
        script("dependencies = " + "[" * 3000),
        "x.py:3: the header is not valid TOML: it is nested too deeply.",
        "correct that line",
    ),
    "a number of thousands of digits": (
        script("tool.submit.needs.cpus = 0x" + "f" * 9000),
        "x.py:3: the header is not valid TOML: Integer with more than 64 bits.",
        "correct that line",
    ),
    "a marker that compares what can't be compared": (
        script("dependencies = [\"a; os_name ~= 'x'\"]"),
        "x.py: the dependency \"a; os_name ~= 'x'\" is not a valid requirement: "
        "Undefined <Op('~=')> on 'posix' and 'x'.",
        'use the format of pip, such as "scikit-learn>=1.5"',
    ),
    "not closed": (
        "# /// script\n# dependencies = []\nimport ray\n",
        "x.py:1: the '# /// script' block is not closed, or a line in it does not begin with '# '.",
        "end the block with a line '# ///' and begin each of its lines with '# '",
    ),
    "a line without its hash and blank": (
        "\n# /// script\n#dependencies = []\n# ///\n",
        "x.py:2: the '# /// script' block is not closed, or a line in it does not begin with '# '.",
        "end the block with a line '# ///' and begin each of its lines with '# '",
    ),
    "two blocks": (
        script("") + script(""),
        "x.py has two '# /// script' blocks; the second is at line 6.",
        "keep one of them",
    ),
    "a string for a list": (
        script('dependencies = "numpy"'),
        "x.py: the header's 'dependencies' is 'numpy'.",
        'make it a list of strings such as ["a", "b"]',
    ),
    "no requirement": (
        script('dependencies = ["numpy >> 2"]'),
        "x.py: the dependency 'numpy >> 2' is not a valid requirement: "
        "Expected semicolon (after name with no version specifier) or end.",
        'use the format of pip, such as "scikit-learn>=1.5"',
    ),
    "no specifier": (
        script('requires-python = "three"'),
        "x.py: the header's 'requires-python' is 'three'.",
        'make it a specifier such as ">=3.10"',
    ),
    "negative": (
        script("[tool.submit.needs]", "cpus = -1"),
        "x.py: the header's 'tool.submit.needs.cpus' is -1.",
        "make it a non-negative number",
    ),
    "not a number": (
        script("[tool.submit.entrypoint]", "cpus = true"),
        "x.py: the header's 'tool.submit.entrypoint.cpus' is True.",
        "make it a non-negative number",
    ),
    "memory": (
        script("[tool.submit.entrypoint]", 'memory = "much"'),
        "x.py: the header's 'tool.submit.entrypoint.memory' is 'much'.",
        'make it a number of bytes, or a string such as "2GiB"',
    ),
    "a value for a table": (
        script("[tool]", "submit = 3"),
        "x.py: the header's 'tool.submit' is 3.",
        "make it a table",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    source, message, fix = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        read_header(source, "x.py")
    assert (caught.value.message, caught.value.fix) == (message, fix)


@pytest.mark.parametrize(
    ("text", "size"),
    [(5, 5), ("5", 5), ("1k", 1024), ("512MiB", 512 * 2**20), ("2g", 2**31), ("1.5 GB", 3 * 2**29)],
)
def test_memory(text: object, size: int) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["# /// script\n# ///\n", "import ray\n# /// script\n# ///  \nx = 1", "# /// script\n#\n# ///"]
)
def test_a_block_of_nothing_declares_nothing(text: str) -> None:
    assert replace(read_header(text, "x.py"), written=False) == Header()


@pytest.mark.parametrize(
    "odd", ["index = 3", "index = [1]", "extra-index-url = 7", "find-links = {}", "sources = []"]
)
def test_a_setting_of_uv_s_of_another_type_counts_as_absent(odd: str) -> None:
    assert read_header(script('dependencies = ["a"]', "[tool.uv]", odd), "x.py").dependencies == ("a",)


@pytest.mark.parametrize("source", ['{ url = "http://[" }', '{ git = "ssh://[x" }'])
def test_a_source_that_is_no_url_is_refused(source: str) -> None:
    text = script('dependencies = ["a"]', "[tool.uv.sources]", f"a = {source}")
    assert "which is not a URL" in read_header(text, "x.py").refused["a"]
