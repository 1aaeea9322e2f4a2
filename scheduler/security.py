"""Keys and certificates of a run: whoever has not got them cannot talk to its scheduler."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed.security import Security

NAME = "i2lc-run"
DAYS = 365
"""A run may wait long in a queue."""
SKEW = timedelta(days=1)
"""Clocks of nodes may differ from ours."""
FILES = ("ca.pem", "key.pem", "certificate.pem")


def security() -> Security:
    """Make the keys of a run; they exist in memory only.

    Returns
    -------
    Security
        With one certificate for scheduler, workers and client, which trusts itself alone.
        Every connection must be encrypted and show it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    certificate = _certificate(key).public_bytes(serialization.Encoding.PEM).decode()
    return _of(certificate, text, certificate)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=DAYS))
        .sign(key, hashes.SHA256())
    )


def _of(authority: str, key: str, certificate: str) -> Security:
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=authority,
        **{f"tls_{role}_key": key for role in roles},
        **{f"tls_{role}_cert": certificate for role in roles},
    )


@contextmanager
def written(made: Security, folder: Path) -> Iterator[Security]:
    """Write the keys of a run for its jobs; remove them at the end.

    Parameters
    ----------
    made : Security
        As :func:`security` gives it.
    folder : Path
        Made with mode 0700, must not exist; its files have mode 0600.

    Yields
    ------
    Security
        The same, by the paths of the files.
    """
    folder.mkdir(mode=0o700, parents=True)
    try:
        parts = made.get_tls_config_for_role("worker")
        texts = (parts["ca_file"], parts["key"], parts["cert"])
        paths = [folder.absolute() / name for name in FILES]
        for path, text in zip(paths, texts, strict=True):
            path.touch(mode=0o600, exist_ok=False)
            path.write_text(text, encoding="utf-8")
        yield _of(*map(str, paths))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
