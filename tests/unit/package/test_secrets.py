"""Secrets in files, arguments and variables. No token here is real, and none is written in one piece."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

import pytest

from submit.package import Secret, find_secrets, find_secrets_in_text, reader, script_contents, tree_contents

from .build import put

NOISE = random.Random(7)


def noise(size: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(NOISE.choice(letters) for _ in range(size))


HEADER = "-----BEGIN {}PRIVATE KEY-----"
BODY = noise(64)
TOKENS = {
    "rsa key": ("private key", HEADER.format("RSA ") + f"\n{BODY}\n"),
    "pkcs8 key": ("private key", HEADER.format("") + f"\n{BODY}\n"),
    "openssh key": ("private key", HEADER.format("OPENSSH ") + f"\r\n{BODY}\r\n"),
    "encrypted key": (
        "private key",
        HEADER.format("RSA ") + f"\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{noise(32)}\n\n{BODY}\n",
    ),
    "key in a JSON string": ("private key", '"k": "' + HEADER.format("") + f'\\n{BODY}\\n"'),
    "key in Python": ("private key", 'KEY = ("' + HEADER.format("") + f'\\n"\n    "{BODY}\\n")'),
    "API key": ("Google API key", "AI" + "za" + noise(35)),
    "access token": ("Google access token", "ya" + "29." + noise(80)),
    "refresh token": ("Google refresh token", "1/" + "/0" + noise(60)),
    "client secret": ("Google client secret", "GOC" + "SPX-" + noise(28)),
    "AWS id": ("AWS access key", "AK" + "IA" + noise(16, string.ascii_uppercase)),
    "AWS session id": ("AWS access key", "AS" + "IA" + noise(16, string.ascii_uppercase)),
    "AWS secret in a file": ("AWS secret key", "aws_secret_" + f"access_key = {noise(40)}"),
    "AWS secret in the environment": ("AWS secret key", "AWS_SECRET_" + f"ACCESS_KEY={noise(40)}"),
    "AWS secret in Python": ("AWS secret key", 'os.environ["AWS_SECRET_' + f'ACCESS_KEY"] = "{noise(40)}"'),
    "AWS secret in JSON": ("AWS secret key", '"Secret' + f'AccessKey": "{noise(40)}"'),
    "Azure": ("Azure storage key", "Account" + f"Key={noise(86)}=="),
    "GitHub": ("GitHub token", "gh" + "p_" + noise(36)),
    "GitHub server": ("GitHub token", "gh" + "s_" + noise(36)),
    "GitHub fine-grained": ("GitHub token", "github" + "_pat_" + noise(60)),
    "GitLab": ("GitLab token", "gl" + "pat-" + noise(20)),
    "Hugging Face": ("Hugging Face token", "h" + "f_" + noise(34)),
    "model": ("model API key", "s" + "k-proj-" + noise(60)),
    "model, older": ("model API key", "s" + "k-" + noise(48)),
    "Slack": ("Slack token", "xo" + "xb-" + noise(40)),
    "W&B": ("Weights & Biases key", "WANDB" + f"_API_KEY={noise(40, '0123456789abcdef')}"),
    "npm": ("npm token", "np" + "m_" + noise(36)),
    "Docker Hub": ("Docker Hub token", "dckr" + "_pat_" + noise(27)),
    "Databricks": ("Databricks token", "da" + "pi" + noise(32, "0123456789abcdef")),
    "Stripe": ("Stripe key", "sk" + "_live_" + noise(24)),
    "Slack webhook": (
        "Slack webhook",
        "https://hooks.slack.com/" + f"services/T{noise(9)}/B{noise(9)}/{noise(24)}",
    ),
    "web token": ("JSON web token", "ey" + f"J{noise(30)}.ey" + f"J{noise(60)}.{noise(43)}"),
    "kubeconfig": ("Kubernetes client key", "client-key-" + f"data: {noise(80)}"),
    "database": ("password in a URL", "postgres://app:" + "hunter2hunter2@db/x"),
    "cache without a user": ("password in a URL", "redis://:" + "s3cr3t@cache:6379/0"),
    "password with an @ in it": ("password in a URL", "mongodb+srv://app:" + "p@ss@word@h1.internal/x"),
    "escaped password": ("password in a URL", "https://me%40corp.io:" + "%40dm1n@nexus.internal/simple"),
    "password in f-string": ("password in a URL", 'f"mysql://root:' + 'tiger99@{host}/db"'),
    "index with a token": ("token in a URL", "git+https://" + f"{noise(20)}1@git.internal/x.git"),
    "JDBC": ("password in a URL", "jdbc:postgresql://h/db?user=a&pass" + "word=hunter2"),
    "query": ("token in a URL", "https://h/x?a=1&access_" + f"token={noise(30)}1"),
    "bearer": ("Authorization header", "Authorization: " + f"Bearer {noise(40)}"),
    "basic": ("Authorization header", "Authorization: Ba" + "sic YXBwOmh1bnRlcjI="),
    "assigned": ("key or password", "client_sec" + f'ret = "{noise(32)}"'),
    "assigned as a keyword": ("key or password", "connect(pass" + f'word="{noise(24)}")'),
    "assigned in JSON": ("key or password", '"api' + f'Key": "{noise(32)}"'),
    "PyPI": ("PyPI token", "py" + "pi-AgEI" + noise(80)),
}
HARMLESS = {
    "text about keys": "write " + HEADER.format("") + " and then the key",
    "public key": f"-----BEGIN PUBLIC KEY-----\n{BODY}\n",
    "certificate": f"-----BEGIN CERTIFICATE-----\n{BODY}\n",
    "documented AWS example": "AK" + "IAIOSFODNN7EXAMPLE",
    "documented AWS secret": "aws_secret_" + "access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "placeholder": "s" + "k-" + "x" * 48,
    "placeholder for GitHub": "gh" + "p_" + "0" * 36,
    "a word with sk-": "disk-" + noise(48),
    "a name with hf_": "self_" + noise(40),
    "a commit": noise(40, "0123456789abcdef"),
    "a service account's address": "me@project.iam.gserviceaccount.com",
    "placeholder in a URL": "postgres://user:password@db/x",
    "default of a server": "amqp://guest:guest@rabbit:5672",
    "variable in a URL": "https://me:${TOKEN}@host/simple and https://me:$TOKEN@host and https://%s:%s@host",
    "f-string": 'f"postgres://{user}:{password}@{host}/x"',
    "hidden in a URL": "http://app:***@h http://app:<password>@h http://app:xxxxx@h http://app:YOUR_TOKEN@h",
    "URL with a port": "http://localhost:8080 http://h:8080/a@b https://h:443/?x=y@z ray://10.0.0.1:10001",
    "user without a password": "ssh://git@github.com/x git+ssh://build2024machine77@host/x git@github.com:o/r.git",
    "container of a storage account": "abfss://container2024dataset01@account.dfs.core.windows.net/x",
    "error reporting": "https://0123456789abcdef0123456789abcdef@o42.ingest.sentry.io/4",
    "revision of a repository": "github://org:repo@main/catalog.yml",
    "words about them": "Basic authentication, Bearer token authentication, password=password, secret = None",
    "name of a secret": 'secret = "projects/my-project-1234/secrets/db/versions/latest"',
    "tokens of a text": 'tokens = ["the", "quick"], pad_token = "<pad>", api_key="EMPTY"',
    "service account without key": '{"type": "service_account"}',
}


@pytest.mark.parametrize("which", TOKENS)
def test_secret_in_text_and_file(which: str, tmp_path: Path) -> None:
    kind, text = TOKENS[which]
    assert find_secrets_in_text(text) == [kind]
    assert find_secrets_in_text(f"--token={text}") == [kind]
    put(tmp_path, "notes.txt", f"one\ntwo\n  {text}\nfour\n")
    put(tmp_path, "harmless.txt", "one\n")
    assert find_secrets(tree_contents(tmp_path)) == [Secret("notes.txt", 3, kind)]


@pytest.mark.parametrize("which", HARMLESS)
def test_harmless_text(which: str, tmp_path: Path) -> None:
    assert find_secrets_in_text(HARMLESS[which]) == []


def test_documentation_host_in_a_file_is_an_example(tmp_path: Path) -> None:
    text = "# send it with --env URL=postgres://app:" + "hunter2hunter2@db.example/app\n"
    put(tmp_path, "job.py", text + "# or mysql://app:" + "hunter2@www.example.com:3306\n")
    assert find_secrets(tree_contents(tmp_path)) == []
    assert find_secrets_in_text(text) == ["password in a URL"]


def test_this_project_has_no_secrets() -> None:
    assert find_secrets(tree_contents(Path(reader.__file__).parent)) == []
    assert find_secrets(script_contents(Path(__file__), [])) == []


def test_service_account_key_by_another_name(tmp_path: Path) -> None:
    key = {"type": "service_account", "private_key": HEADER.format("") + f"\n{BODY}\n"}
    put(tmp_path, "settings.txt", json.dumps(key, indent=2))
    assert find_secrets(tree_contents(tmp_path)) == [
        Secret("settings.txt", 2, "service account key"),
        Secret("settings.txt", 3, "private key"),
    ]
    assert find_secrets_in_text(json.dumps(json.dumps(key))) == ["private key", "service account key"]


def test_several_secrets_each_once(tmp_path: Path) -> None:
    token, other = TOKENS["GitHub"][1], TOKENS["API key"][1]
    put(tmp_path, "b.py", f"x = '{token}'  # {token}\ny = '{other}'\n")
    put(tmp_path, "a.bin", b"\0\xff\n" + token.encode() + b"\0")
    assert find_secrets(tree_contents(tmp_path)) == [
        Secret("a.bin", 2, "GitHub token"),
        Secret("b.py", 1, "GitHub token"),
        Secret("b.py", 2, "Google API key"),
    ]
    assert find_secrets_in_text(f"{token} {other} {token}") == ["GitHub token", "Google API key"]


@pytest.mark.parametrize("at", [-50, -20, 0, 20, reader.CHUNK - 10])
def test_secret_at_a_chunk_boundary(at: int, tmp_path: Path) -> None:
    token = TOKENS["GitHub"][1]
    before = ("." * 63 + "\n") * (reader.CHUNK // 64)
    text = (before + before)[: reader.CHUNK + at] + " " + token + "\n" + before
    put(tmp_path, "log.txt", text)
    line = text[: text.index(token)].count("\n") + 1
    assert find_secrets(tree_contents(tmp_path)) == [Secret("log.txt", line, "GitHub token")]


def test_excluded_files_are_not_scanned(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", "notes.txt\n")
    put(tmp_path, "notes.txt", TOKENS["GitHub"][1])
    assert find_secrets(tree_contents(tmp_path)) == []
