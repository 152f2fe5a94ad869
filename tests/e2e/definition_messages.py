"""The sentences with which definitions and models refuse."""

from __future__ import annotations

ACCOUNT_NAME = (
    "an account name must be 1 to 63 characters of a-z, 0-9 and -, and must start and end with a"
    " letter or digit, because annotations refer to it"
)
POLICY_NAME = "a policy name must have at most 63 characters, because namespace labels refer to it"
BLOCK = "exactly one provider block must be set: the one that provider names"
ROLE = "externalID and stsEndpoint require roleARN: they configure how it is assumed"
BURST = (
    "budget.burst must be at least 2 per region in aws.regions: one fetch can need a change check"
    " and a read in each region"
)
OWN_NAME = "reference must be the secret's name (of A-Z a-z 0-9 / _ + = . @ ! -), not an ARN"
SEGMENT = 'reference must not have an empty, "." or ".." segment'
ITSELF = "a revoked reference must not start with aws/reference/, which is another store"
GCP_BURST = "budget.burst must be at least 8 with provider gcp: one login can need that many calls"
GCP_HTTPS = "endpoint must start with https://"
SECRET_ID = (
    "with provider gcp, a revoked reference must be a secret's ID: 1 to 255 characters of"
    " A-Z a-z 0-9 _ -"
)
GCP_GLOBAL = 'a location must not be "global": omit it for global secrets'
GCP_ZONE = 'a location must be a region, as "europe-west3", not a zone, as "europe-west3-a"'
AZURE_BURST = (
    "budget.burst must be at least 3 with provider azure: one login can need that many calls"
)
AZURE_LOGIN = (
    "auth must have exactly one of workloadIdentity, managedIdentity, clientCertificate,"
    " clientSecret"
)
AZURE_IDENTITY = "managedIdentity must not have both clientID and resourceID"
AZURE_HTTPS = "vaultURL and authorityHost must start with https://"
AZURE_AUTHORITY = (
    "authorityHost is required unless vaultURL ends with one of .vault.azure.net, .vault.azure.cn,"
    " .vault.usgovcloudapi.net"
)
VAULT_NAME = (
    "with provider azure, a revoked reference must be a secret's name: 1 to 127 characters of"
    " a-z 0-9 -"
)
VAULT_BURST = (
    "budget.burst must be at least the number of vault.addresses plus 1: one fetch can need a read"
    " at each address and a check"
)
ONE_LOGIN = "auth must have exactly one of kubernetes, jwt, appRole, tokenFile"
ONE_CA = "tls must not have both caFile and caBundle"
CERTIFICATE_PAIR = "tls must have certificateFile and keyFile, or neither"
NEEDS_HTTPS = "tls requires that all addresses start with https://"
MOUNT_ONCE = "each mount must be listed once"
MOUNT_PATH = "with provider vault, a revoked reference must be a mount, / and a path"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
PARAMETER = (
    "a revoked reference of aws-ssm must be a parameter's name: 1 to 15 levels, each / and"
    " characters of A-Z a-z 0-9 _ . -, or one name without /"
)
RESERVED = "a revoked reference of aws-ssm must not start with aws or ssm, which AWS reserves"
SECRET = (
    "with provider kubernetes, a revoked reference must be a namespace, / and the name of a Secret"
    " that is not lastgood's own"
)
OF_NAMESPACE = (
    "a pattern for k8s must be a namespace, / and a name. For any Secret of the pod's own"
    " namespace: k8s:{namespace}/*"
)
PATH = "with provider file, a revoked reference must be a path that starts with /"
CLASS = "the class of each source must be one of this policy's classes"
ONE_CHECK = (
    "each item of validate must set exactly one of pem, json, requiredKeys, minBytes, maxBytes"
)
BUDGET = "freshnessBudget must be at least 4/3 of (refreshInterval + 90s)"
MAX_AGE = "maxAge must be at least freshnessBudget"
ZERO = "a duration must be longer than 0s"
CLASS_NAME = (
    "must be 1 to 63 characters of a-z, 0-9 and -, and must start and end with a letter or digit"
)
SEGMENTS = 'a pattern must not have an empty, "." or ".." segment: no reference has one'
STARS = "** matches whole segments: it must stand alone between two /"
DELIMITED = (
    "{namespace} must be followed by / . _ + = @ ! or the end of the pattern, and one of these must"
    " stand between it and a wildcard before it, or it could match other namespaces' secrets"
)
IMMUTABLE = "source is immutable: create a new SecretSnapshot for another source"
GROWS = "versions cannot be removed from revoked: a revoked version stays revoked"
