"""A row of the table in docs/providers/README.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from providers.protocol import Material, Unversioned
from tests.providers.conformance.store import HttpStore, Says

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.protocol import FetchResult
    from tests.providers.conformance.stage import Stage
    from tests.providers.conformance.store import Store

    Run = Callable[[Stage], FetchResult | list[FetchResult]]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What may happen at a provider, and what every source must report then."""

    name: str
    about: str
    expects: Says
    run: Run
    """Gives a result, or several that must mean the same."""
    needs: str | None = None
    """The method of Store without which it is not applicable."""
    by_http: bool = False
    """Whether it exists wherever there is a wire, and nowhere else."""
    impatient: bool = False
    """Whether the source has to lose patience."""

    def can_run(self, store: type[Store]) -> bool:
        """Whether the store supports it."""
        if self.by_http:
            return issubclass(store, HttpStore)
        return self.needs is None or not hasattr(getattr(store, self.needs), "unsupported")


class Section:
    """Rows that belong together."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: list[Behaviour] = []

    def add(
        self,
        expects: str,
        *,
        name: str | None = None,
        needs: str | None = None,
        by_http: bool = False,
        impatient: bool = False,
    ) -> Callable[[Run], Run]:
        """Makes a row of a function. Its docstring says what happens. Its name is the row's,
        unless that is spelled otherwise.
        """

        def add(run: Run) -> Run:
            row = Behaviour(
                name=name or run.__name__.replace("_", " "),
                about=" ".join((run.__doc__ or "").split()),
                expects=Says(expects),
                run=run,
                needs=needs,
                by_http=by_http,
                impatient=impatient,
            )
            self.rows.append(row)
            return run

        return add


def with_value(result: FetchResult, value: bytes, it: Stage) -> FetchResult:
    """The result, which must have this value."""
    assert isinstance(result, Material | Unversioned), result
    assert result.value.reveal() == it.store.read(value)
    return result
