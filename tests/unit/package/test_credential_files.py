"""Credential files are never packaged: not in a tree, not through the header, not through a symlink."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from submit.package import PackageError, errors, script_contents, tree_contents

from .build import link, put

_NAMES = """
.aws/credentials .azure/accessTokens.json .oci/config .config/gcloud/credentials.db
gcloud/legacy_credentials/me/adc.json application_default_credentials.json access_tokens.db credentials.db
client_secret_123.apps.googleusercontent.com.json .boto .s3cfg rootkey.csv me_accessKeys.csv .kube/config
kubeconfig prod.kubeconfig kubeconfig.yaml kubeconfig-prod .docker/config.json .dockercfg .dockerconfigjson
containers/auth.json terraform.tfstate terraform.tfstate.backup prod.tfvars prod.auto.tfvars.json .terraformrc
credentials.tfrc.json .pulumi/credentials.json .vault-token .vault_pass.txt vault_password .ansible/vault_key
.git-credentials .config/git/credentials .config/gh/hosts.yml .npmrc .pypirc .gem/credentials
.cargo/credentials.toml .config/pypoetry/auth.toml .m2/settings.xml .pgpass .my.cnf .snowsql/config
.databrickscfg .huggingface/token .cache/huggingface/token .cache/huggingface/stored_tokens kaggle.json
.kaggle/kaggle.json .comet.config clearml.conf .streamlit/secrets.toml .cdsapirc .netrc _netrc .htpasswd
.smbcredentials rclone.conf .config/rclone/rclone.conf sftp-config.json ngrok.yml office.ovpn host.keytab
team.kdbx .password-store/x.gpg credentials credentials.json CREDENTIALS.JSON credentials.csv secrets.yaml
secrets.yml Secret.yaml secrets.json .secrets/db .token passwords.txt key.pem server.key cert.p12 cert.pfx
release.jks debug.keystore putty.ppk backup.gpg AuthKey.p8 age.agekey id_rsa id_rsa.bak id_ed25519
id_ed25519_work id_ecdsa_sk deploy_rsa github_ed25519 ssh_host_rsa_key .ssh/config
.gnupg/private-keys-v1.d/x.key .env .env.local .envrc prod.env .ENV.production env.production docker/web.env
.bash_history .python_history .psql_history .local/share/fish/fish_history core.1234 java_pid7.hprof
cookies.sqlite
"""
NAMES = _NAMES.split()
TEXTS = {
    "sa.json": {"type": "service_account", "private_key": "-----BEGIN"},
    "my-project-1a2b3c.json": {"type": "gdch_service_account", "private_key": "-----BEGIN"},
    "token.json": {"token": "ya29", "refresh_token": "1//0x", "client_id": "x"},
    "oauth.json": {"installed": {"client_id": "x", "client_secret": "y"}},
    "delegated.json": {
        "type": "impersonated_service_account",
        "source_credentials": {"type": "authorized_user"},
    },
    "key.json": {"AccessKey": {"AccessKeyId": "x", "SecretAccessKey": "y"}},
    "session.json": {"Credentials": {"SecretAccessKey": "y", "SessionToken": "z"}},
    "sp.json": {"appId": "x", "displayName": "x", "password": "y", "tenant": "z"},
    "registry.json": {"auths": {"ghcr.io": {"auth": "eDp5"}}},
    "state.json": {"version": 4, "terraform_version": "1.9", "lineage": "x", "resources": []},
    "pip.conf": "[global]\nindex-url = https://me:hunter2@pypi.internal/simple\n",
    ".condarc": "channels:\n  - https://conda.anaconda.org/t/ab-01234567-89ab-cdef-0123-456789abcdef/me\n",
    ".yarnrc.yml": "npmAuthToken: abc\n",
    "settings.xml": "<server><password>x</password></server>",
    ".curlrc": "user = me:hunter2\n",
    "signing.asc": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nx",
    "both.pem": "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\nx\n",
    "core": "\x7fELF core",
}
_HARMLESS = """
environment.yml env.py env.yaml environment.prod.ts example.env .env.example web/.env.template
prod.env.example keys.py tokenizer.json tokenizer_config.json token_counts.json tokens.txt config.json
model/config.json credentials.py secrets.py secrets/__init__.py credentials/loader.py kubeconfig.py id_rsa.pub
id_map.json id_list.csv public.crt requirements.txt pyproject.toml docker-compose.yml .dockerignore
.docker/Dockerfile terraform/main.tf variables.tf example.tfvars terraform.tfvars.example notes.md
passwords.py core.py score/__init__.py history.csv hosts.yml keyboard.json vault_password.py data.keystore.csv
wandb/settings netrc.py password_strength.csv environment.json settings.json
"""
HARMLESS = _HARMLESS.split()
HARMLESS_TEXTS = {
    "adc.json": {"type": "external_account", "audience": "//iam.googleapis.com/x", "credential_source": {"file": "x"}},
    "sa-without-key.json": {"type": "service_account", "client_email": "x@y"},
    "vocab.json": {"token": 5, "password": 7, "tenant": 1, "client_secret": 12, "auths": {"a": 1}, "refresh_token": 3},
    "pip.conf": "[global]\nindex-url = https://pypi.internal/simple\n",
    ".condarc": "channels:\n  - conda-forge\n",
    "ca.pem": "# our CA\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
    "public.pem": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n",
    "public.asc": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx",
    "core": "the core of it\n",
}  # fmt: skip


def text_of(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


PLANTED = {**dict.fromkeys(NAMES, "x\n"), **{name: text_of(value) for name, value in TEXTS.items()}}
FINE = {**dict.fromkeys(HARMLESS, "x\n"), **{name: text_of(value) for name, value in HARMLESS_TEXTS.items()}}


def test_corpus_is_large() -> None:
    assert len(NAMES) >= 110
    assert len(PLANTED) == len(NAMES) + len(TEXTS)
    assert len(FINE) == len(HARMLESS) + len(HARMLESS_TEXTS) >= 50


def test_tree_excludes_credentials_and_keeps_harmless_files(tmp_path: Path) -> None:
    """Both at once, each in its folder: the result does not depend on neighbouring files."""
    for folder, files in (("planted", PLANTED), ("fine", FINE)):
        for name, text in files.items():
            put(tmp_path, f"{folder}/{name}", text)
    contents = tree_contents(tmp_path)
    assert {entry.name for entry in contents.entries} == {f"fine/{name}" for name in FINE}
    assert all(one.reason for one in contents.excluded)


def test_header_cannot_add_credentials(tmp_path: Path) -> None:
    put(tmp_path, "job.py")
    travelled = []
    for name, text in PLANTED.items():
        put(tmp_path, name, text)
        try:
            script_contents(tmp_path / "job.py", [name])
            travelled.append(name)
        except errors.ForbiddenFile:
            pass
    assert travelled == []


@pytest.mark.parametrize(
    "name", [".docker/config.json", "prod.env", "token.json", "id_ed25519_work", "terraform.tfstate"]
)
def test_symlinks_to_credentials_are_excluded(name: str, tmp_path: Path) -> None:
    put(tmp_path, "job.py")
    put(tmp_path, f"there/{name}", PLANTED[name])
    link(tmp_path, "data.txt", f"there/{name}")
    assert {entry.name for entry in tree_contents(tmp_path).entries} == {"job.py"}
    with pytest.raises(PackageError):
        script_contents(tmp_path / "job.py", ["data.txt"])
    assert {entry.name for entry in script_contents(tmp_path / "job.py", ["*", "**/*"]).entries} == {"job.py"}


def test_script_in_a_credentials_folder(tmp_path: Path) -> None:
    """Names are matched together with their folder, even if it is the script's own."""
    put(tmp_path, ".docker/job.py")
    put(tmp_path, ".docker/config.json", "{}")
    with pytest.raises(errors.ForbiddenFile) as caught:
        script_contents(tmp_path / ".docker" / "job.py", ["config.json"])
    assert caught.value.message == (
        "'config.json' in the header's \"files\" is excluded: credentials are never packaged (Docker)."
    )
