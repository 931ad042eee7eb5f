# /// script
# dependencies = ["requests"]
# [tool.submit]
# env = ["HF_TOKEN"]
# ///
# expect: DENIED secrets HF_TOKEN
# truth: it would run, and the dashboard would show the token to whoever opens it
# environment: HF_TOKEN
import os

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['HF_TOKEN']}"
print("signed in as", len(session.headers["Authorization"]), "characters")
