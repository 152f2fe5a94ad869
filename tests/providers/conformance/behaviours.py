"""What every source must do: the rows of the table in docs/providers/README.md. Each runs over each
store.
"""

from __future__ import annotations

from tests.providers.conformance.answers import ANSWERS, CONNECTIONS
from tests.providers.conformance.refusals import LOGINS, REFUSALS
from tests.providers.conformance.values import VALUES, VERSIONS

SECTIONS = (VALUES, VERSIONS, REFUSALS, LOGINS, CONNECTIONS, ANSWERS)
BEHAVIOURS = {row.name: row for section in SECTIONS for row in section.rows}
