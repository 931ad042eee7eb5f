"""Names of files and directories that contain credentials, in lower case.

A pattern is a name, or a name in a directory ("gh/hosts.yml"), with * and ?; directories end with "/". Collected from
the tools' documentation, and from the name lists of gitleaks, TruffleHog and GitHub's .gitignore templates.
"""

from __future__ import annotations

_CREDENTIALS: dict[str, tuple[str, ...]] = {
    "Google Cloud": (
        ".config/gcloud/", "gcloud/legacy_credentials/", "legacy_credentials/", "application_default_credentials.json",
        "credentials.db", "access_tokens.db", ".boto", ".gsutil/", "client_secret*.json",
    ),
    "Google Earth Engine": ("earthengine/credentials",),
    "AWS": (".aws/", ".s3cfg", ".passwd-s3fs", "aws_credentials", "rootkey.csv", "accesskeys.csv", "*_accesskeys.csv"),
    "Azure": (".azure/", ".azcopy/", "*.publishsettings", "azureprofile.json"),
    "Oracle Cloud": (".oci/", "cwallet.sso", "ewallet.*"),
    "other clouds": (
        ".aliyun/", ".bluemix/", ".ibmcloud/", ".tencentcloud/", "doctl/config.yaml", "hcloud/cli.toml", ".linode-cli",
        ".scwrc", "scw/config.yaml", ".paperspace/", ".lambda_cloud/", ".runpod/", ".vast_api_key", ".fly/",
        ".modal.toml", ".openstack/", "clouds.yaml", "openrc.sh", "*-openrc.sh",
    ),
    "Kubernetes": (
        ".kube/", "kubeconfig", "*.kubeconfig", "kubeconfig.y*ml", "kubeconfig.json", "kubeconfig[-_.]*", "kube.config",
        "kube_config*.y*ml", ".k3s/", "k3s.yaml",
    ),
    "Docker": (
        ".docker/config.json", ".dockercfg", ".dockerconfigjson", "dockerconfig.json", "docker-config.json",
        "containers/auth.json", ".docker/trust/",
    ),
    "Terraform": (
        "*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", ".terraformrc", "terraform.rc",
        "credentials.tfrc.json", ".terraform.d/", "pulumi/credentials.json", ".pulumi/",
    ),
    "Vault and Ansible": (".vault-token", "*vault_pass*", "*vault-pass*", ".ansible/", "vault.key"),
    "Git": (".git-credentials", ".gitcookies", "git/credentials", "gh/hosts.yml", "config/hub",
        ".config/gh/", ".config/glab-cli/"),
    "a package index": (
        ".npmrc", ".pypirc", ".gemrc", ".gem/credentials", "cargo/credentials", ".cargo/credentials",
        ".cargo/credentials.toml", ".composer/auth.json", "pypoetry/auth.toml", "poetry/auth.toml", ".m2/settings.xml",
        "settings-security.xml", ".bundle/config", ".nuget/nuget.config", ".condatoken", "uv/credentials/",
    ),
    "a database": (
        ".pgpass", "pgpass.conf", ".pg_service.conf", ".my.cnf", ".mylogin.cnf", ".mongorc.js", ".dbshell",
        ".redisclirc", ".snowsql/", ".snowflake/", ".databrickscfg", ".databricks/", ".bigqueryrc",
    ),
    "models and experiments": (
        ".huggingface/", "huggingface/token", "huggingface/stored_tokens", "kaggle.json", ".kaggle/", ".comet.config",
        "clearml.conf", "trains.conf", ".mlflow/credentials", ".neptune/", ".lightning/credentials.json",
        ".cdsapirc", ".ecmwfapirc", ".streamlit/secrets.toml", ".openai/", ".anthropic/", ".replicate/", ".wandb/netrc",
        "jupyter_cookie_secret", "notebook_cookie_secret", "jupyter_server_config.json",
    ),
    "the network": (
        ".netrc", "_netrc", "netrc", ".htpasswd", "htpasswd", ".htdigest", ".smbcredentials", ".smbcred", ".davfs2/",
        ".fetchmailrc", ".msmtprc", ".esmtprc", ".mutt/", ".ftpconfig", "sftp-config.json", ".vscode/sftp.json",
        "sitemanager.xml", "recentservers.xml", "filezilla.xml", ".rclone.conf", "rclone.conf", ".ngrok2/",
        "ngrok.yml", ".cloudflared/", "*.ovpn", "wg[0-9].conf", "wpa_supplicant.conf", "*.keytab", "krb5cc_*", "*.rdp",
        ".remote-sync.json", ".duply/", ".restic-password", "proftpdpasswd",
    ),
    "passwords": (
        "*.kdbx", "*.kdb", ".password-store/", "*.psafe3", "*.agilekeychain/", "*.opvault/", "*.1pux", "*.keychain",
        "*.keychain-db", "*.kwallet", "share/keyrings/", ".secrets/", ".credentials/", ".credentials", ".secret",
        ".secrets", ".password", ".passwd", ".token", ".api_key", ".apikey", "credentials", "credentials.json",
        "credentials.csv", "credentials.y*ml", "credentials.toml", "credentials.ini", "secrets.json", "secrets.y*ml",
        "secrets.toml", "secrets.ini", "secrets.env", "secret.json", "secret.y*ml", "secret.toml", "secret.txt",
        "secrets.txt", "password.txt", "passwords.txt", "passwords.csv", "token.txt", "api_key.txt", "apikey.txt",
    ),
    "a browser": ("cookies.sqlite", "cookies.txt", "login data", "key3.db", "key4.db", "logins.json", ".mozilla/"),
}  # fmt: skip
_KEYS = (
    "*.key", "*.p12", "*.pfx", "*.p8", "*.pkcs12", "*.pk8", "*.jks", "*.keystore", "*.jceks", "*.bks", "*.ppk", "*.gpg",
    "*.pgp", "*.agekey", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "id_xmss*", "*_rsa", "*_dsa",
    "*_ecdsa", "*_ed25519", "ssh_host_*_key", ".ssh/", ".gnupg/", "secring.*", "pubring.kbx",
)  # fmt: skip
_ENVIRONMENTS = (
    ".env*",
    "*.env",
    "env.local",
    "env.dev",
    "env.development",
    "env.staging",
    "env.prod",
    "env.production",
)
_HISTORIES = (
    ".*_history", "fish_history", ".lesshst", ".viminfo", "core.[0-9]*", "vgcore.[0-9]*", "*.hprof",
)  # fmt: skip

KEY = "private keys and certificates are never packaged"
ENVIRONMENT = "environment files are never packaged"
PATTERNS: dict[str, str] = {
    **{
        one: f"credentials are never packaged ({of})"
        for of, patterns in _CREDENTIALS.items()
        for one in patterns
    },
    **dict.fromkeys(_KEYS, KEY),
    **dict.fromkeys(_ENVIRONMENTS, ENVIRONMENT),
    **dict.fromkeys(_HISTORIES, "shell histories and memory dumps are never packaged"),
}

# Names that match a pattern above but are templates, public keys or source code.
HARMLESS = (
    ".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults", ".env.schema", "example.env",
    "sample.env", "template.env", "*.example.env", "*.sample.env", "*.template.env", "example.tfvars",
    "*.example.tfvars",     "*.pub", "id_*.csv", "id_*.parquet", "id_*.md", "core.*.*",
    "*.example", "*.sample", "*.template", "*.dist", "*.j2", "*.md", "*.py", "*.ipynb", "*.rst",
)  # fmt: skip

# Files that contain a credential only if their text matches: names, a case-insensitive expression, and the owner.
BY_TEXT: dict[tuple[str, ...], tuple[bytes, str]] = {
    ("pip.conf", "pip.ini", "uv.toml", ".condarc", "condarc"): (
        rb"://[^\s/@]+@|/t/[a-z]{2}-[0-9a-f-]{30,}",
        "a package index",
    ),
    (".yarnrc", ".yarnrc.yml", "bunfig.toml"): (rb"auth-?token|npmauthident|token\s*=", "a package index"),
    ("nuget.config", "settings.xml", "gradle.properties"): (rb"password", "a package index"),
    (".wgetrc", ".curlrc", "_curlrc"): (rb"password|^\s*-?-?u(?:ser)?[ =:]", "the network"),
    ("profiles.yml", "connections.toml"): (rb"password|token|private_key", "a database"),
    ("core",): (rb"\A\x7fELF", "a process"),
}
