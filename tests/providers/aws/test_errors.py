from __future__ import annotations

import botocore.discovery
import botocore.exceptions
import botocore.parsers
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import StructureShape
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from providers.aws.source import parameter_store, secrets_manager
from providers.aws.source.calls import own
from providers.aws.source.errors import (
    BY_CLASS,
    BY_CODE,
    EXPIRED,
    FOREIGN,
    UNREADABLE,
    failure,
    item_failure,
)
from providers.aws.source.secrets_manager import BATCH, DESCRIBE, GET
from providers.http import LONGEST_DELAY_S, retry_after_s

CODES = {code: reason for reason, codes in BY_CODE.items() for code in codes}
CLASSES = {name: reason for reason, names in BY_CLASS.items() for name in names}

COMMON = """
AccessDeniedException ExpiredTokenException IncompleteSignature InternalFailure InvalidAction
InvalidClientTokenId InvalidParameterCombination InvalidParameterValue InvalidQueryParameter
InvalidSignatureException MalformedQueryString MissingAction MissingAuthenticationToken
MissingParameter NotAuthorized OptInRequired RequestExpired RequestLimitExceeded ServiceUnavailable
ThrottlingException UnrecognizedClientException ValidationError
"""
"""docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html, and of signing."""


def refused(
    code: object, status: object = 400, headers: dict[str, str] | None = None
) -> ClientError:
    """The exception that botocore raises for an error answer."""
    response = {
        "Error": {"Code": code, "Message": "canary-5f1d3c"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return ClientError(response, "GetSecretValue")  # type: ignore[arg-type]  # a hostile one


def classes_of_botocore(root: type[Exception] = BotoCoreError) -> set[str]:
    """Every client-side exception class that botocore itself defines."""
    found = {root.__name__} if root.__module__.startswith("botocore.") else set()
    return found.union(*map(classes_of_botocore, root.__subclasses__()))


def test_no_code_and_no_class_is_in_the_tables_twice() -> None:
    """Each has one meaning."""
    assert len(CODES) == sum(map(len, BY_CODE.values()))
    assert len(CLASSES) == sum(map(len, BY_CLASS.values()))


@pytest.mark.parametrize("operation", [GET, DESCRIBE, BATCH])
def test_every_modelled_error_is_mapped(operation: str) -> None:
    """The errors that botocore's model gives to the operations in use have a place."""
    model = botocore.session.get_session().get_service_model("secretsmanager")
    shapes = model.operation_model(operation).error_shapes
    assert shapes
    assert {shape.name for shape in shapes} - CODES.keys() == set()


@pytest.mark.parametrize("operation", [parameter_store.GET, parameter_store.GET_MANY])
def test_every_modelled_error_of_parameter_store_is_mapped(operation: str) -> None:
    """As botocore's model gives them."""
    model = botocore.session.get_session().get_service_model("ssm")
    shapes = model.operation_model(operation).error_shapes
    assert shapes
    assert {shape.name for shape in shapes} - CODES.keys() == set()


@pytest.mark.parametrize("operation", ["AssumeRole", "AssumeRoleWithWebIdentity"])
def test_every_modelled_error_of_a_login_is_mapped(operation: str) -> None:
    """Those of a role, and of the controller's own identity on a cluster."""
    model = botocore.session.get_session().get_service_model("sts")
    shapes = model.operation_model(operation).error_shapes
    codes = {shape.error_code for shape in shapes if isinstance(shape, StructureShape)}
    assert len(codes) == len(shapes) > 0
    assert codes - CODES.keys() == set()


def test_every_common_error_is_mapped() -> None:
    """AWS documents these for every operation."""
    assert set(COMMON.split()) - CODES.keys() == set()


def test_what_botocore_counts_as_throttling_or_transient_is_so_here() -> None:
    """The SDK's own lists, which its retries would use, agree with the table."""
    throttling = set(vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"])
    assert throttling == BY_CODE[FetchFailure.THROTTLED]
    transient = set(vars(TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"]) - throttling
    assert transient <= BY_CODE[FetchFailure.UNAVAILABLE]


def test_every_client_side_exception_is_mapped_and_no_other() -> None:
    """A class that a new botocore adds or drops fails here until somebody decides."""
    assert classes_of_botocore() | {"ResponseParserError"} == CLASSES.keys()


def test_what_a_renewal_can_mend_is_denied_without_one() -> None:
    """Under credentials that nobody renews, expired is a denial as any."""
    assert EXPIRED.issubset(BY_CODE[FetchFailure.DENIED])


def test_absent_is_said_by_one_code_of_each_service_alone() -> None:
    """Nothing else may lead towards removing a value (P2)."""
    services = (secrets_manager.SERVICE, parameter_store.SERVICE)
    assert BY_CODE[FetchFailure.ABSENT] == {service.absent for service in services}
    assert FetchFailure.ABSENT not in BY_CLASS
    for service in services:
        for code in BY_CODE[FetchFailure.ABSENT]:
            found = own(service, failure(refused(code)))
            assert (found.reason is FetchFailure.ABSENT) == (code == service.absent)


@pytest.mark.parametrize(("code", "reason"), sorted(CODES.items()))
def test_a_known_code_wins_over_its_status(code: str, reason: FetchFailure) -> None:
    """AWS gives some errors with surprising statuses, and moto with others."""
    for status in (400, 403, 404, 500):
        assert failure(refused(code, status)).reason is reason
        assert failure(refused(code, status)).code == code


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (400, FetchFailure.INVALID, "Http4xx"),
        (401, FetchFailure.DENIED, "Http4xx"),
        (403, FetchFailure.DENIED, "Http4xx"),
        (404, FetchFailure.INVALID, "Http4xx"),
        (408, FetchFailure.UNAVAILABLE, "Http4xx"),
        (429, FetchFailure.THROTTLED, "Http4xx"),
        (500, FetchFailure.UNAVAILABLE, "Http5xx"),
        (503, FetchFailure.UNAVAILABLE, "Http5xx"),
        (302, FetchFailure.UNAVAILABLE, "Http3xx"),
        (None, FetchFailure.UNAVAILABLE, "Http0xx"),
    ],
)
def test_an_unknown_code_counts_by_its_status(
    status: int | None, reason: FetchFailure, code: str
) -> None:
    """And never appears itself, because codes become labels of metrics."""
    failed = failure(refused("NobodyKnowsThis", status))
    assert (failed.reason, failed.code) == (reason, code)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 429, 500, 503])
@pytest.mark.parametrize("given_code", ["404", "", None, {"a": 1}, ["x"], "<html>", "a b"])
def test_an_error_without_a_code_of_aws_is_no_verdict(given_code: object, status: int) -> None:
    """A firewall's page, or half an answer: botocore gives the status as its code."""
    failed = failure(refused(given_code, status))
    throttled = status == 429
    assert failed.reason is (FetchFailure.THROTTLED if throttled else FetchFailure.UNAVAILABLE)
    assert (failed == FOREIGN) == (status in {400, 401, 403, 404})


def test_an_unknown_subclass_counts_as_what_it_derives_from() -> None:
    """The nearest class that botocore defines decides."""

    class ProxyTimeoutError(botocore.exceptions.ConnectTimeoutError):
        pass

    failed = failure(ProxyTimeoutError(endpoint_url="x"))
    assert (failed.reason, failed.code) == (FetchFailure.UNAVAILABLE, "ConnectTimeoutError")


def test_a_namesake_from_elsewhere_is_not_botocores() -> None:
    """The built-in ConnectionError or a stranger's ValidationError is no client-side exception."""

    class ValidationError(ValueError):
        pass

    assert failure(ValidationError("canary-5f1d3c")) == UNREADABLE


@pytest.mark.parametrize("code", ["NobodyKnowsThis", None, 7, ["x"]])
def test_an_unknown_code_of_an_item_is_invalid(code: object) -> None:
    """A batch gives its items no status to go by."""
    assert item_failure(code).reason is FetchFailure.INVALID
    assert item_failure(code).code == "UnknownCode"


@pytest.mark.parametrize(
    ("headers", "delay_s"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "999999999"}, LONGEST_DELAY_S),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT",
                "date": "Wed, 21 Oct 2015 07:27:30 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT",
                "date": "Wed, 21 Oct 2015 08:28:00 GMT",
            },
            0.0,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], delay_s: float | None) -> None:
    """RFC 9110 10.2.3; a date counts from the answer's own Date, so no clock is compared."""
    assert retry_after_s(headers) == delay_s
    assert failure(refused("ThrottlingException", 400, headers)).delay_s == delay_s


@given(text=st.text(), date=st.text())
def test_no_retry_after_is_too_strange(text: str, date: str) -> None:
    """It is nothing, or a bounded number of seconds."""
    found = retry_after_s({"retry-after": text, "date": date})
    assert found is None or 0 <= found <= LONGEST_DELAY_S


@given(message=st.text(min_size=9))
def test_p8_no_message_goes_on(message: str) -> None:
    """What a provider writes in prose is left behind."""
    error = ClientError({"Error": {"Code": "SlowDown", "Message": message}}, "GetSecretValue")
    assert repr(failure(error)) == repr(failure(refused("SlowDown")))
