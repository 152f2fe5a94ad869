from __future__ import annotations

import io
import logging
import traceback
import uuid
from typing import TYPE_CHECKING, Any

import botocore.loaders
import botocore.session
import pytest
from botocore.exceptions import MetadataRetrievalError

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.aws.source.client import (
    Access,
    Keys,
    _loader,
    open_clients,
    open_ssm,
    open_sts,
)
from providers.aws.source.secrets_manager import AwsSecretsManager
from providers.protocol import Failed, Material
from tests.providers.harness import CANARY, REGION, aws_source, one

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.provider import DemoProvider, Proxy
    from tests.providers.harness import Scripted


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What all loggers write at DEBUG, the SDK's own turned up as in a search for a bug."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    names = ["", "boto3", "botocore", "botocore.parsers", "botocore.endpoint", "urllib3"]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield stream
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    loggers[0].removeHandler(handler)


def test_p8_no_log_of_the_sdk_shows_an_exceptions_message(everything_logged: io.StringIO) -> None:
    """Botocore warns with the answer of a pod's identity agent, whatever that is."""
    open_clients(Access(regions=(REGION,), keys=Keys(access_key="a", secret_key="b")))
    logger = logging.getLogger("botocore.credentials")
    error = MetadataRetrievalError(error_msg=f"from container metadata: {CANARY}")
    logger.warning("Refreshing failed during %s.", "mandatory", exc_info=error)
    logged = everything_logged.getvalue()
    assert logged == "Refreshing failed during mandatory. (MetadataRetrievalError)\n"


def test_p8_no_log_of_the_sdk_shows_a_roles_credentials(
    script: Scripted, everything_logged: io.StringIO
) -> None:
    """At DEBUG botocore logs STS's answers whole, and what it signs with them."""
    access = Access(
        regions=(REGION,),
        endpoint=f"http://{script.address}",
        sts_endpoint=f"http://{script.address}",
        keys=Keys(access_key="a", secret_key="b"),
    )
    held = Keys(access_key="k", secret_key=CANARY, token=CANARY)
    [sts], [client] = open_sts(access), open_clients(access, lambda: held)
    for logger in ("botocore", "botocore.parsers", "botocore.auth", "botocore.credentials"):
        logging.getLogger(logger).setLevel(logging.DEBUG)
    given = f"<AssumeRoleResult><Credentials><SessionToken>{CANARY}</SessionToken></Credentials>"
    script.say("AssumeRole", f"<a>{given}</AssumeRoleResult></a>".encode())
    sts.assume_role(RoleArn="arn:aws:iam::000000000001:role/r", RoleSessionName="test")
    script.say("GetSecretValue", {})
    client.get_secret_value(SecretId="a")
    assert len(script.asked) == 2
    logging.getLogger("ours").debug("alive")
    assert "alive" in everything_logged.getvalue()
    assert CANARY not in everything_logged.getvalue()
    for opened in (sts, client):
        opened.close()


def test_p8_the_same_logs_show_a_value_without_us(
    script: Scripted, everything_logged: io.StringIO
) -> None:
    """The test above can fail: the record that botocore writes of a body is the one held back."""
    logger = logging.getLogger("botocore.parsers")
    found = list(logger.filters)
    logger.filters.clear()
    try:
        script.say("GetSecretValue", {"SecretString": CANARY})
        [client] = open_clients(
            Access(
                regions=(REGION,),
                endpoint=f"http://{script.address}",
                keys=Keys(access_key="a", secret_key="b"),
            )
        )
        logger.filters.clear()
        client.get_secret_value(SecretId="a")
        assert CANARY in everything_logged.getvalue()
        client.close()
    finally:
        logger.filters[:] = found


@pytest.mark.parametrize("body", [b'{"SecretString": "canary-5f1d3c', b"\xffcanary-5f1d3c"])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_p8_no_traceback_of_an_observer_shows_a_value(
    script: Scripted, body: bytes, status: int
) -> None:
    """Some exceptions of botocore's parser hold the body; none is in flight once we speak."""
    script.say("GetSecretValue", body, status)
    shown: list[str] = []
    source = aws_source(
        script.address, observer=lambda *_: shown.append("".join(traceback.format_exc()))
    )
    shown.append(repr(one(source, "a")))
    assert len(shown) == 2
    assert all("canary" not in text for text in shown)
    source.close()


def test_p8_keys_are_not_shown() -> None:
    """The secret half of explicit credentials stays out of repr."""
    access = Access(regions=(REGION,), keys=Keys(access_key="AKIA", secret_key=CANARY))
    assert CANARY not in repr(access)


def test_every_call_says_who_calls(script: Scripted) -> None:
    """So that a provider's log tells our calls from a pod's own."""
    script.say("GetSecretValue", {})
    one(aws_source(script.address), "a")
    assert script.asked[0][2].endswith(" lastgood")


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_ENDPOINT_URL_SSM",
        "AWS_ENDPOINT_URL_STS",
    ],
)
def test_p7_the_environment_cannot_choose_an_endpoint(
    script: Scripted, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Endpoints are the account's: without one it is AWS's, whatever the SDK's variables say."""
    monkeypatch.setenv(variable, f"http://{script.address}")
    keys = Keys(access_key="a", secret_key="b")
    access = Access(regions=(REGION,), keys=keys)
    clients: dict[str, Any] = {
        "secretsmanager": open_clients(access)[0],
        "ssm": open_ssm(access)[0],
        "sts": open_sts(access)[0],
    }
    for service, client in clients.items():
        assert vars(client)["_endpoint"].host == f"https://{service}.{REGION}.amazonaws.com"
        client.close()


def test_without_credentials_the_answer_is_denied(
    script: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard chain is asked when the account has no keys, and may find nothing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    access = Access(regions=(REGION,), endpoint=f"http://{script.address}")
    source = AwsSecretsManager(open_clients(access))
    assert "NoCredentialsError" in repr(one(source, "a"))
    assert script.asked == []


def test_the_standard_chain_is_used_without_keys(
    provider: DemoProvider, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the environment, the first link that EKS and the like also fill."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    name = f"/chain/{uuid.uuid4()}"
    provider.put(name, SecretBytes(b"x"))
    access = Access(regions=(REGION,), endpoint=f"http://{proxy.addresses['default']}")
    assert isinstance(one(AwsSecretsManager(open_clients(access)), name), Material)


def test_p4_clients_of_the_chain_are_bounded_too(
    script: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials from STS, as a cluster's identities are, get the same time-outs and one try."""
    (tmp_path / "token").write_text("token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    made: list[Any] = []
    create = botocore.session.Session.create_client

    def remember(self: botocore.session.Session, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - boto's
        made.append((given, create(self, *given, **named)))
        return made[-1][1]

    monkeypatch.setattr(botocore.session.Session, "create_client", remember)
    source = AwsSecretsManager(
        open_clients(Access(regions=(REGION,), endpoint=f"http://{script.address}"))
    )
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    failed = one(source, "a")
    assert isinstance(failed, Failed)
    assert failed.reason is FetchFailure.UNAVAILABLE
    configs = {given[0]: client.meta.config for given, client in made}
    assert configs.keys() == {"secretsmanager", "sts"}
    for config in configs.values():
        assert config.retries["total_max_attempts"] == 1
        assert (config.connect_timeout, config.read_timeout) == (2.0, 5.0)


def test_accounts_share_what_the_sdk_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A further account reads no file of AWS's models, and makes no list longer. No variable of
    the SDK adds a folder of models.
    """
    monkeypatch.setenv("AWS_DATA_PATH", "/nowhere")
    access = Access(regions=(REGION,), keys=Keys(access_key="a", secret_key="b"))
    read: list[str] = []
    load = botocore.loaders.JSONFileLoader.load_file

    def counted(self: botocore.loaders.JSONFileLoader, path: str) -> Any:  # noqa: ANN401 - JSON
        read.append(path)
        return load(self, path)

    def opened() -> list[str]:
        clients: list[Any] = [*open_clients(access), *open_ssm(access), *open_sts(access)]
        for client in clients:
            client.close()
        return list(_loader().search_paths)

    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", counted)
    before = opened()
    read.clear()
    assert opened() == before
    assert read == []
    assert "/nowhere" not in before
