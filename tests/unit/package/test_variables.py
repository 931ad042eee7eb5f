"""Secrets in variables and arguments, found by their names and values."""

from __future__ import annotations

import pytest

from submit.package.secrets.variables import secret_in, secrets_in_arguments

HARMLESS = [
    ("TOKENIZERS_PARALLELISM", "false"), ("TOKENIZER_PATH", "/models/tokens"), ("MAX_TOKENS", "512"), ("N_TOKENS", "5"),
    ("COST_PER_TOKEN", "2e-6"), ("PAD_TOKEN", "<pad>"), ("EOS_TOKEN", "</s>"), ("STOP_TOKEN", "END!"),
    ("SECRET_SANTA_LIST", "alice,bob"), ("PASSWORD_MIN_LENGTH", "12"), ("ASK_PASSWORD", "yes"), ("MY_SECRET", ""),
    ("HF_TOKEN_PATH", "/run/token"), ("HF_TOKEN", "/run/secrets/hf"), ("DB_PASSWORD_FILE", "secrets/db.txt"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "/home/me/key.json"), ("API_KEY", "projects/p/secrets/s/versions/latest"),
    ("OPENAI_API_KEY", "EMPTY"), ("API_KEY", "your-api-key"), ("GITHUB_TOKEN", "${GITHUB_TOKEN}"),
    ("SECRET_NAME", "db-password"), ("CLIENT_SECRET", "https://vault.internal/v1/client"), ("BYPASS", "hard1"),
    ("PRIMARY_KEY", "user_id"), ("SORT_KEY", "created_at_2024_01"), ("KEYBOARD", "qwerty123"), ("MONKEY", "x1"),
    ("RENDER_PASS", "shadow"), ("DATABASE_URL", "postgres://user:password@db/x"), ("AUTHOR", "m3"),
    ("PIP_INDEX_URL", "https://me:$TOKEN@host/simple"), ("DB_DSN", "host=db user=app"), ("PWD", "/home/me"),
    ("TASK", '{"name": "x", "tokens": 5}'), ("TASK", "{" * 5_000),
]  # fmt: skip
SECRET = [
    ("DB_PASSWORD", "hunter2"), ("dbPassword", "hunter2"), ("PGPASSWORD", "hunter2"), ("MYSQL_PWD", "hunter2"),
    ("DB_PASS", "hunter2!"), ("DB_PASSWORD", "83729461"), ("HF_TOKEN", "abcdef"), ("GITHUB_TOKEN_2", "abc123"),
    ("STRIPE_API_KEY", "foo123bar"), ("MYAPIKEY", "foo123bar"), ("APP_SECRET", "s3cr3t"),
    ("SITE_KEY", "Zx8Qw7Lk2Mn5Rt4Vb"),
    ("SNOWFLAKE_PRIVATE_KEY", "MIIEvQIBADANBg"), ("PGPASSWORD_PROD", "hunter2hunter2abc1"),
    ("AWS_SECRET_ACCESS_KEY", "/bcdEFGH1234567890abcdefghij/klmnopq+rst"), ("SERVICE_CREDENTIALS", "app hunter2"),
    ("DATABASE_URL", "postgres://app:hunter2hunter2@db.example/app"), ("DSN", "host=db user=app password=hunter2"),
    ("CONNECTION_STRING", "Server=db;User Id=app;Password=hunter2;"),
    ("CONFIG", '{"host": "db", "password": "hunter2"}'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), HARMLESS)
def test_harmless_variables(name: str, value: str) -> None:
    assert secret_in(name, value) is None


@pytest.mark.parametrize(("name", "value"), SECRET)
def test_secret_variables(name: str, value: str) -> None:
    assert secret_in(name, value)


ARGUMENTS = {
    ("--password", "hunter2"): [("password", "judging by its name")],
    ("--epochs", "3", "--api-key=abc123def"): [("api-key", "judging by its name")],
    ("db.password=hunter2",): [("db.password", "judging by its name")],
    ("--url", "postgres://app:hunter2@h/x"): [("url", "password in a URL")],
    ("redis://:hunter2@h",): [("", "password in a URL")],
    ("--header", "Authorization: Basic YXBwOmh1bnRlcjI="): [("header", "Authorization header")],
    ("--max-tokens", "512", "--tokenizer", "bert", "--pad-token", "[PAD]"): [],
    ("--password-length=12", "--secret-name", "projects/p/secrets/s", "--token", "--verbose"): [],
    ("--url=http://localhost:8080", "--data", "gs://b/tokens.csv", "x=1", "=", "--=", "--token"): [],
}


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_arguments(arguments: tuple[str, ...]) -> None:
    assert list(secrets_in_arguments(arguments)) == ARGUMENTS[arguments]
