"""A small OpenID Connect provider on loopback: discovery, authorization code with PKCE, RS256 tokens.

It takes whoever the next visitor says they are: ``/authorize`` shows one link per person.
"""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "codetracer", "a-secret-of-the-tests"


@dataclass
class Provider:
    """Where it listens, and whom it knows: claims by what the link on its page is called."""

    url: str
    people: Mapping[str, Mapping[str, Any]]
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "tests"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def secrets_toml(self, dashboard: str) -> str:
        """What the dashboard at this address needs to know of the provider."""
        return f"""
[auth]
redirect_uri = "{dashboard}/oauth2callback"
cookie_secret = "{secrets.token_hex(32)}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{self.url}/.well-known/openid-configuration"
"""

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def page(self, query: Mapping[str, str]) -> str:
        """One link back to the dashboard per person."""
        links = []
        for name in self.people:
            code = secrets.token_urlsafe()
            self.codes[code] = {**query, "who": name}
            back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            links.append(f'<p><a href="{html.escape(back)}">{html.escape(name)}</a></p>')
        return "<!doctype html><title>Provider</title>" + "".join(links)

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The tokens for a code, which is good once, and only with what its request was made with."""
        asked = self.codes.pop(form["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        assert challenge.decode() == asked["code_challenge"]
        assert form["redirect_uri"] == asked["redirect_uri"]
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": asked["who"], "iat": now, "exp": now + 600}
        claims |= {"nonce": asked["nonce"], **self.people[asked["who"]]}
        signed = jwt.encode({"alg": "RS256", "kid": "tests"}, claims, self.key)
        return {"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "expires_in": 600, "id_token": signed}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        answers = {
            "/.well-known/openid-configuration": lambda: json.dumps(self.provider.metadata()),
            "/jwks": lambda: json.dumps({"keys": [self.provider.key.as_dict(private=False)]}),
            "/authorize": lambda: self.provider.page(query),
        }
        if address.path not in answers:
            self.send_error(404)
            return
        self.answer(answers[address.path](), "text/html" if address.path == "/authorize" else "application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        assert self.headers["Authorization"] == f"Basic {expected}"
        self.answer(json.dumps(self.provider.token(form)), "application/json")

    def answer(self, text: str, kind: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def running_provider(people: Mapping[str, Mapping[str, Any]]) -> Iterator[Provider]:
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.provider = Provider(f"http://127.0.0.1:{server.server_port}", people)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler.provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
