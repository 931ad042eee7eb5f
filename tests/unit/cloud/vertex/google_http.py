"""Google's clients over HTTP, connected to a server of a test."""

from __future__ import annotations

from typing import Any

from cloud.network.certificates import Authority


def send_requests_to(port: int, authority: Authority, monkeypatch: Any) -> None:
    """Makes Google's clients over HTTP connect to this port, whatever the host. They check the host's certificate."""
    import requests
    from google.auth.transport import requests as auth_requests

    class Adapter(requests.adapters.HTTPAdapter):
        def get_connection_with_tls_context(
            self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
        ) -> Any:
            host = request.headers["Host"]
            names = {"assert_hostname": host, "server_hostname": host}
            tls = {"ca_certs": str(authority.certificate), **names}
            return self.poolmanager.connection_from_host("127.0.0.1", port, "https", tls)

        def send(self, request: Any, *positional: Any, **more: Any) -> Any:
            request.headers["Host"] = request.url.split("/")[2].partition(":")[0]
            return super().send(request, *positional, **more)

    initialize = auth_requests.AuthorizedSession.__init__

    def init(self: Any, *positional: Any, **more: Any) -> None:
        initialize(self, *positional, **more)
        self.mount("https://", Adapter())

    monkeypatch.setattr(auth_requests.AuthorizedSession, "__init__", init)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
