"""Two certificates for 127.0.0.1 that nobody trusts, with their keys, and a key that wants a password."""

import ssl
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """A certificate and its key, as PEM."""

    certificate: str
    key: str

    def write(self, folder: Path) -> dict[str, str]:
        """Write both into a folder, in place of what is there; return the settings that name them."""
        cert_file, key_file = folder / "tls.crt", folder / "tls.key"
        cert_file.write_text(self.certificate)
        key_file.write_text(self.key)
        return {"TLS_CERT_FILE": str(cert_file), "TLS_KEY_FILE": str(key_file)}

    def trusted(self) -> ssl.SSLContext:
        """Return the context of a client that trusts this certificate alone."""
        return ssl.create_default_context(cadata=self.certificate)


FIRST = Pair(
    """\
-----BEGIN CERTIFICATE-----
MIIBkjCCATmgAwIBAgIUKn9KY6BLfxSas59ahmjYlGYqv6MwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFZmlyc3QwIBcNMjYxMTIxMTEyMjIzWhgPMjEyNjEwMjgxMTIy
MjNaMBAxDjAMBgNVBAMMBWZpcnN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
e+R5pauhtxaYYlCDFPitQVno7BKl6KPZL7jw4/97ciTlwGBS2g81PIZBDSHMIi/v
OYJMEBl64STMCwIBwJEkBKNvMG0wHQYDVR0OBBYEFBoFS3BNauXBcceMhn3H9hHK
LHPOMB8GA1UdIwQYMBaAFBoFS3BNauXBcceMhn3H9hHKLHPOMA8GA1UdEwEB/wQF
MAMBAf8wGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MAoGCCqGSM49BAMCA0cA
MEQCIEzhFYkKngcO4Vrx4f3RyFktJLvUK/bB7liCQ0Warg9jAiBGk58z8JkyNBlg
NKmQmH4aI1UY/fVos7aleTseeHb+zg==
-----END CERTIFICATE-----
""",
    """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgX/dw+4dS7jbt4kTC
BhmBq0q+KYC+jsPgsPtGvoRw2aahRANCAAR75Hmlq6G3FphiUIMU+K1BWejsEqXo
o9kvuPDj/3tyJOXAYFLaDzU8hkENIcwiL+85gkwQGXrhJMwLAgHAkSQE
-----END PRIVATE KEY-----
""",
)
SECOND = Pair(
    """\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUdsdRYKht2NtQXnzY+DceUNlY3IUwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGc2Vjb25kMCAXDTI2MTEyMTExMjIyM1oYDzIxMjYxMDI4MTEy
MjIzWjARMQ8wDQYDVQQDDAZzZWNvbmQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AASwTVH18club6giQVdvRpwBgaBU00Mtnhq7erBn/2shHku0xiVCNBY8yp7nOnUB
VTVUfrc+l/RBPmGgitaY+blco28wbTAdBgNVHQ4EFgQUwnznmv6nlG3YtQxt1bJv
yvjkzI4wHwYDVR0jBBgwFoAUwnznmv6nlG3YtQxt1bJvyvjkzI4wDwYDVR0TAQH/
BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhAOyuk9qGTtOgb3+FijDCXgijxDfkwW/3ZqAOzPaJgmLkAiBVWIpFj4xo
8suZSoUZdXrOmyFIjo7fK0YdN4lgrAjrLA==
-----END CERTIFICATE-----
""",
    """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkLKrnR1Qso2wkmMA
k/mQ34pMZHWlM9h/UTSMGlKvvPehRANCAASwTVH18club6giQVdvRpwBgaBU00Mt
nhq7erBn/2shHku0xiVCNBY8yp7nOnUBVTVUfrc+l/RBPmGgitaY+blc
-----END PRIVATE KEY-----
""",
)
ENCRYPTED_KEY = """\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,C83E2B305E08B8D6E6ECA4B628F4DFEE

OXimxGwm4jy/Kkyh4vklJm/iGXImETQhmCF7/f11Y2adzRl5CClrRIwdBsWEnJQL
FF0oMHi8ORwm6mPUVtU5j+GV2tmeiDhu9rO3DfM/XfufomoKjVPOvlj4YADds0ua
qKM50Xs+UPIx3icGBF+vOfnbaRhBdgWzYrI6RBgxRTQ=
-----END EC PRIVATE KEY-----
"""
