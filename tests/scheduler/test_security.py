"""Who has not got the keys of the run stays outside."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from distributed import Client, Scheduler, Security, SpecCluster

from i2lc.scheduler.security import NAME, security, written


def test_keys_are_of_the_run_alone_and_required() -> None:
    one, other = security(), security()
    parts = one.get_tls_config_for_role("worker")
    assert one.require_encryption is True
    assert (
        parts == one.get_tls_config_for_role("client") == one.get_tls_config_for_role("scheduler")
    )
    assert parts["key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert parts["key"] != other.get_tls_config_for_role("worker")["key"]
    certificate = x509.load_pem_x509_certificate(parts["cert"].encode())
    assert certificate.subject.rfc4514_string() == f"CN={NAME}"
    days = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days
    assert days == 366
    assert one.get_connection_args("client")["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_files_are_the_owners_and_go(tmp_path: Path) -> None:
    made = security()
    folder = tmp_path / "run" / "keys"
    with written(made, folder) as paths:
        assert folder.stat().st_mode & 0o777 == 0o700
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == ["ca.pem", "certificate.pem", "key.pem"]
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
        assert paths.require_encryption is True
        for role in ("client", "scheduler", "worker"):
            parts = paths.get_tls_config_for_role(role)
            texts = made.get_tls_config_for_role(role)
            for part in ("ca_file", "key", "cert"):
                assert Path(parts[part]).is_absolute()
                assert Path(parts[part]).read_text() == texts[part]
            paths.get_connection_args(role)
    assert not folder.exists()


def test_files_go_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with written(security(), tmp_path / "keys"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_client_without_the_certificate_is_refused() -> None:
    made = security()
    options = {
        "host": "127.0.0.1",
        "protocol": "tls://",
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",  # an HTTP server there is all the same
        "security": made,
    }
    with SpecCluster(
        scheduler={"cls": Scheduler, "options": options},
        security=made,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        with Client(cluster) as client:
            assert client.scheduler_info()["workers"] == {}
        for wrong in (security(), Security.temporary()):
            with pytest.raises(OSError, match=r"(?i)timed out|closed|certificate|ssl"):
                Client(address, security=wrong, timeout="2s")
        with pytest.raises((OSError, TypeError, RuntimeError)):
            Client(address, timeout="2s")
        with pytest.raises(OSError, match=r"(?i)timed out|reset|closed"):
            Client(address.replace("tls://", "tcp://"), timeout="2s")
