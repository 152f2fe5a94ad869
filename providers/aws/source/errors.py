"""What each error of AWS and of botocore means, by code and class; never by message text.

Tests walk botocore's model of the operations and its exception classes: a new one fails them until
it has a place here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from contract.reasons import FetchFailure
from providers.http import forget, retry_after_s
from providers.protocol import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BY_CODE: Mapping[FetchFailure, frozenset[str]] = {
    # Of Parameter Store, and of Secrets Manager.
    FetchFailure.ABSENT: _words("ParameterNotFound ResourceNotFoundException"),
    # Permissions, identity, clock skew. DecryptionFailure, InvalidKeyId: the key's state or policy
    # refuses us.
    FetchFailure.DENIED: _words(
        """
        AccessDenied AccessDeniedException AuthFailure DecryptionFailure ExpiredToken
        ExpiredTokenException IDPRejectedClaim IncompleteSignature IncompleteSignatureException
        InvalidClientTokenId InvalidContextAssertion InvalidIdentityToken InvalidKeyId
        InvalidSignatureException MalformedPolicyDocument MissingAuthenticationToken
        MissingAuthenticationTokenException NotAuthorized OptInRequired PackedPolicyTooLarge
        RegionDisabledException RequestExpired SignatureDoesNotMatch UnauthorizedOperation
        UnrecognizedClientException
        """
    ),
    FetchFailure.THROTTLED: _words(
        """
        BandwidthLimitExceeded EC2ThrottledException LimitExceededException PriorRequestNotComplete
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled
        RequestThrottledException SlowDown ThrottledException Throttling ThrottlingException
        TooManyRequestsException TransactionInProgressException
        """
    ),
    FetchFailure.UNAVAILABLE: _words(
        """
        IDPCommunicationError InternalError InternalFailure InternalServerError
        InternalServerException InternalServiceError RequestTimeout RequestTimeoutException
        ServiceUnavailable ServiceUnavailableException
        """
    ),
    # InvalidRequestException is also what a secret marked for deletion answers: it can be restored
    # for 7 to 30 days, so that is no absence.
    FetchFailure.INVALID: _words(
        """
        InvalidAction InvalidNextTokenException InvalidParameterCombination
        InvalidParameterException InvalidParameterValue InvalidQueryParameter
        InvalidRequestException MalformedQueryString MissingAction MissingParameter
        ParameterVersionNotFound SerializationException UnknownOperationException ValidationError
        ValidationException
        """
    ),
}
"""The own errors of Secrets Manager, Parameter Store and STS, AWS's common errors, and what
botocore counts as throttling.
"""

EXPIRED = _words("ExpiredToken ExpiredTokenException")
"""Denials that newer credentials of the same identity may not meet."""

BY_CLASS: Mapping[FetchFailure, frozenset[str]] = {
    FetchFailure.DENIED: _words(
        """
        LoginAuthorizationCodeError LoginError LoginInsufficientPermissions LoginRefreshRequired
        LoginTokenLoadError NoAuthTokenError NoCredentialsError PartialCredentialsError
        RefreshWithMFAUnsupportedError SSOError SSOTokenLoadError UnauthorizedSSOTokenError
        UnknownCredentialError UnknownTokenProviderError
        """
    ),
    # Transport, and answers that came in pieces: ResponseParserError and the checksums say nothing
    # of the secret, and the next answer may be whole. Credentials come from a service as well.
    FetchFailure.UNAVAILABLE: _words(
        """
        CapacityNotAvailableError ChecksumError ConnectTimeoutError ConnectionClosedError
        ConnectionError CredentialRetrievalError EndpointConnectionError EndpointDiscoveryException
        EndpointDiscoveryRefreshFailed FlexibleChecksumError HTTPClientError IncompleteReadError
        MetadataRetrievalError ProxyConnectionError ReadTimeoutError ResponseParserError
        ResponseStreamingError SSLError TokenRetrievalError
        """
    ),
    # Our configuration, our call, or parts of the SDK that these operations never reach.
    FetchFailure.INVALID: _words(
        """
        AliasConflictParameterError ApiVersionNotFoundError AwsChunkedWrapperError
        BaseEndpointResolverError BotoCoreError ConfigNotFound ConfigParseError DataNotFoundError
        EndpointDiscoveryRequired EndpointProviderError EndpointResolutionError
        EndpointVariantError InfiniteLoopConfigError InvalidChecksumConfigError InvalidConfigError
        InvalidDNSNameError InvalidDefaultsMode InvalidEndpointConfigurationError
        InvalidEndpointDiscoveryConfigurationError InvalidExpressionError InvalidHostLabelError
        InvalidIMDSEndpointError InvalidIMDSEndpointModeError InvalidMaxRetryAttemptsError
        InvalidProxiesConfigError InvalidRegionError InvalidRetryConfigurationError
        InvalidRetryModeError InvalidS3AddressingStyleError
        InvalidS3UsEast1RegionalEndpointConfigError InvalidSTSRegionalEndpointsConfigError
        MD5UnavailableError MissingDependencyException MissingParametersError NoRegionError
        OperationNotPageableError PaginationError ParamValidationError ProfileNotFound RangeError
        ServiceNotInRegionError StubAssertionError StubResponseError UnStubbedResponseError
        UnknownClientMethodError UnknownEndpointError UnknownEndpointResolutionBuiltInName
        UnknownFIPSEndpointError UnknownKeyError UnknownParameterError UnknownRegionError
        UnknownServiceError UnknownServiceStyle UnknownSignatureVersionError UnseekableStreamError
        UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError
        UnsupportedS3ArnError UnsupportedS3ConfigurationError UnsupportedS3ControlArnError
        UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError
        UnsupportedSignatureVersionError ValidationError WaiterConfigError WaiterError
        """
    ),
}

_CODES = {code: reason for reason, codes in BY_CODE.items() for code in codes}
_CLASSES = {name: reason for reason, names in BY_CLASS.items() for name in names}

UNREADABLE = Failed(reason=FetchFailure.UNAVAILABLE, code="UnreadableAnswer")
"""An answer without the members that AWS promises, or one at which botocore's parser fell over."""

FOREIGN = Failed(reason=FetchFailure.UNAVAILABLE, code="ForeignAnswer")
"""An error page that is not AWS's: of a load balancer, a firewall or a proxy; or one that was cut
off."""

TROUBLE = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a call may raise. The built-in ones come from botocore's parser on a hostile body: JSON of
another shape or depth, base64 and UTF-8 that are none. Some of them hold that body."""


def failure(error: Exception) -> Failed:
    """The meaning of one of TROUBLE. Nothing of its message goes on, or stays in memory."""
    forget(error)
    if isinstance(error, ClientError):
        return _refusal(error.response)
    for cls in type(error).__mro__:
        if cls.__name__ in _CLASSES and cls.__module__.startswith("botocore."):
            return Failed(reason=_CLASSES[cls.__name__], code=cls.__name__)
    return UNREADABLE


def item_failure(code: object) -> Failed:
    """The meaning of one item's ErrorCode in a batch, which has no HTTP status."""
    if isinstance(code, str) and code in _CODES:
        return Failed(reason=_CODES[code], code=code)
    return Failed(reason=FetchFailure.INVALID, code="UnknownCode")


def _refusal(response: Mapping[str, object]) -> Failed:
    """An error answer: by its code, and an unknown one by its HTTP status, as `Http4xx`."""
    code = _mapping(response.get("Error")).get("Code")
    metadata = _mapping(response.get("ResponseMetadata"))
    delay_s = retry_after_s(_mapping(metadata.get("HTTPHeaders")))
    if isinstance(code, str) and code in _CODES:
        return Failed(reason=_CODES[code], code=code, delay_s=delay_s)
    status = metadata.get("HTTPStatusCode")
    number = status if isinstance(status, int) else 0
    if number in _OWN and not _is_own(code):
        return FOREIGN
    return Failed(reason=_by_status(number), code=f"Http{number // 100}xx", delay_s=delay_s)


_OWN = range(400, 408)
"""Statuses that only AWS's own body makes a verdict."""


def _is_own(code: object) -> bool:
    """Whether AWS gave a code. Where a body has none, botocore puts the status in its place."""
    return isinstance(code, str) and re.fullmatch("[A-Za-z][A-Za-z0-9._]*", code) is not None


_STATUSES = {
    401: FetchFailure.DENIED,
    403: FetchFailure.DENIED,
    408: FetchFailure.UNAVAILABLE,
    429: FetchFailure.THROTTLED,
}


def _by_status(status: int) -> FetchFailure:
    """Other 4xx would be answered the same again: invalid. All else, a 404 page of a load balancer
    among the former, is never absence.
    """
    other = FetchFailure.INVALID if 400 <= status < 500 else FetchFailure.UNAVAILABLE  # noqa: PLR2004 - HTTP
    return _STATUSES.get(status, other)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
