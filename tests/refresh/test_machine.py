"""Any order of faults, rotations, operators' requests, clock jumps and restarts, for two
tenants.
"""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contract.reasons import FetchFailure
from refresh.budget import RateLimit
from refresh.model import Identity, OperatorSpec, SnapshotKey, SnapshotState, Use
from tests.refresh.world import CRITICAL, STEADY, Provider, World, demanded, most_over, snapshot

REFERENCES = ("/shared", "/own", "/gone")
TENANTS = {"a": STEADY, "b": CRITICAL}
RATE, BURST = 1.0, 6
BAD = b"<html>"
KEYS = st.sampled_from([(tenant, name) for tenant in TENANTS for name in REFERENCES[:2]])


class Clocked(Provider):
    """Notes, in true time, when it last confirmed or gave which current version."""

    def __init__(self) -> None:
        super().__init__(batch_limit=3)
        self.true_s = 0.0
        self.answered: dict[str, list[tuple[float, str]]] = {}

    def note(self, reference: str) -> None:
        known = self.held.get(reference)
        if known is not None and self.down is None and reference not in self.faults:
            self.answered.setdefault(reference, []).append((self.true_s, known[-1][0]))


class Refreshing(RuleBasedStateMachine):
    """A world, and beside it a ledger of what is true."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.rng = Random(seed)
        self.provider = Clocked()
        self.count = 0
        self.bad: set[Identity] = set()
        self.using: set[tuple[str, str]] = set()
        """Tenants of which a pod runs that uses the member, by source."""
        self.real: dict[tuple[str, Identity], bytes] = {}
        """What the provider ever had, by reference."""
        for name in REFERENCES[:2]:
            self.provider.recreate(name, "v0", b'{"p":"0"}', "i0")
            self.real[name, Identity("v0", "i0")] = b'{"p":"0"}'
        self.operator_specs: dict[SnapshotKey, OperatorSpec] = {}
        self.revoked: dict[SnapshotKey, set[str]] = {}
        self.calls: list[float] = []
        self.stepped_back = False
        self.world = self._boot(World(self.provider, draw=self.rng.random))
        self._run(30)

    def _boot(self, world: World) -> World:
        world.manager.govern({"aws": RateLimit(calls_per_second=RATE, burst=BURST)}, world.at)
        world.restore()
        self._demand(world)
        return world

    def _demand(self, world: World) -> None:
        world.manager.demand(
            [
                demanded(
                    tenant,
                    name,
                    rules=rules,
                    properties=frozenset({"p"}),
                    wanted=self.operator_specs.get(snapshot(tenant, name)),
                    used=(Use("p", ("api",)),) if (tenant, name) in self.using else (),
                )
                for tenant, rules in TENANTS.items()
                for name in REFERENCES
            ],
            world.at,
        )

    def _run(self, seconds: float) -> None:
        """In small steps, so that the ledger knows about when an answer was given."""
        end = self.provider.true_s + seconds
        while self.provider.true_s < end:
            pause = min(20.0, end - self.provider.true_s)
            before = len(self.provider.asked)
            self.world.run(pause)
            self.provider.true_s += pause
            for name in self.provider.asked[before:]:
                self.provider.note(name)
            for state in self.world.manager.states.all.values():
                assert state.held_until is None or self.world.wall < state.held_until

    @rule(seconds=st.sampled_from([1, 20, 100, 1000, 4000]))
    def wait(self, seconds: int) -> None:
        self._run(seconds)

    @rule(fault=st.sampled_from([None, *FetchFailure]))
    def fail(self, fault: FetchFailure | None) -> None:
        self.provider.down = fault

    @rule(
        name=st.sampled_from(REFERENCES[:2]),
        fault=st.sampled_from([None, FetchFailure.DENIED, FetchFailure.ABSENT]),
    )
    def fail_one(self, name: str, fault: FetchFailure | None) -> None:
        self.provider.faults.pop(name, None)
        if fault is not None:
            self.provider.faults[name] = fault

    @rule(name=st.sampled_from(REFERENCES[:2]), torn=st.sampled_from([None, b"", b'{"p":']))
    def tear(self, name: str, torn: bytes | None) -> None:
        self.provider.torn.pop(name, None)
        if torn is not None:
            self.provider.torn[name] = torn

    @rule(name=st.sampled_from(REFERENCES[:2]), good=st.booleans())
    def rotate(self, name: str, good: bool) -> None:  # noqa: FBT001 - a table
        self.count += 1
        version = f"v{self.count}"
        identity = Identity(version, self.provider.marks[name])
        if not good:
            self.bad.add(identity)
        value = b'{"p":"%d"}' % self.count if good else BAD
        self.real[name, identity] = value
        self.provider.rotate(name, version, value)

    @rule(name=st.sampled_from(REFERENCES[:2]))
    def strip(self, name: str) -> None:
        """A version that passes its checks and lacks the member."""
        self.count += 1
        identity = Identity(f"v{self.count}", self.provider.marks[name])
        value = b'{"q":"%d"}' % self.count
        self.real[name, identity] = value
        self.provider.rotate(name, identity.version, value)

    @rule(which=KEYS, running=st.booleans())
    def use(self, which: tuple[str, str], running: bool) -> None:  # noqa: FBT001 - a table
        (self.using.add if running else self.using.discard)(which)
        self._demand(self.world)

    @rule(name=st.sampled_from(REFERENCES[:2]))
    def recreate(self, name: str) -> None:
        """Under the name that its current version had."""
        self.count += 1
        version, mark = self.provider.held[name][-1][0], f"i{self.count}"
        value = b'{"p":"%d"}' % self.count
        self.real[name, Identity(version, mark)] = value
        self.provider.recreate(name, version, value, mark)

    @rule(poison=st.booleans())
    def poison_batches(self, poison: bool) -> None:  # noqa: FBT001 - a table
        self.provider.poison = {"/gone"} if poison else set()

    @rule(seconds=st.sampled_from([-90_000, -700, -30, 40, 5000, 90_000]))
    def set_clock(self, seconds: int) -> None:
        self.stepped_back |= seconds < 0
        self.world.jump(seconds)

    @rule(which=KEYS, back=st.integers(0, 3))
    def pin(self, which: tuple[str, str], back: int) -> None:
        versions = self.provider.held[which[1]]
        self._operate(which, pin=versions[max(0, len(versions) - 1 - back)][0])

    @rule(which=KEYS)
    def release(self, which: tuple[str, str]) -> None:
        self._operate(which)

    @rule(which=KEYS)
    def roll_back(self, which: tuple[str, str]) -> None:
        state = self.world.manager.states.get(snapshot(*which))
        if state is not None and state.served is not None:
            self._operate(which, quarantined=frozenset({state.served.version}))

    @rule(which=KEYS)
    def revoke(self, which: tuple[str, str]) -> None:
        key = snapshot(*which)
        state = self.world.manager.states.get(key)
        if state is not None and state.served is not None:
            self.revoked.setdefault(key, set()).add(state.served.version)
            self._operate(which)

    def _operate(
        self,
        which: tuple[str, str],
        *,
        pin: str | None = None,
        quarantined: frozenset[str] = frozenset(),
    ) -> None:
        key = snapshot(*which)
        revoked = frozenset(self.revoked.get(key, set()))
        spec = OperatorSpec(pin=pin, quarantined=quarantined, revoked=revoked)
        self.operator_specs[key] = spec
        self.world.manager.operate(key, spec, self.world.at)
        self.world.flush()

    @rule(failing=st.booleans())
    def break_sink(self, failing: bool) -> None:  # noqa: FBT001 - a table
        self.world.store.failing = failing

    @precondition(lambda self: not self.world.store.failing)
    @rule()
    def restart(self) -> None:
        """The process is new; the store, and the operators' specs, are what is left.

        A process killed before it wrote the ages that a step back of the clock made older leaves
        nothing that tells of the step; so it ends in order then.
        """
        self._run(0.2)
        if self.stepped_back:
            self.world.finish()
            self.stepped_back = False
        self._keep_calls()
        world = self.world
        self.world = World(self.provider, draw=self.rng.random, wall=world.wall, store=world.store)
        self._boot(self.world)

    def _keep_calls(self) -> None:
        over = most_over(self.world.call_times, rate=RATE, burst=BURST)
        assert over <= 1e-3, "the budget was exceeded"

    @invariant()
    def p4_the_budget_holds(self) -> None:
        if hasattr(self, "world"):
            self._keep_calls()

    @invariant()
    def p2_p12_what_is_served_was_good_and_is_not_revoked(self) -> None:
        """And something is served, once it was, unless every good version held was revoked."""
        for key, state in self._states():
            revoked = self.revoked.get(key, set())
            if state.served is None:
                assert key.source.reference == "/gone" or revoked
                continue
            assert state.served.version not in revoked
            assert state.served.identity not in self.bad
            assert not revoked & {kept.version for kept in state.history}
            real = self.real[key.source.reference, state.served.identity]
            assert state.served.value.reveal() == real

    @invariant()
    def p5_nothing_looks_fresher_than_it_is(self) -> None:
        """The age is at least the true time since the provider's last answer (the ledger knows it
        to 20 s), and the clock's jumps do not shorten it.
        """
        for key, state in self._states():
            answers = self.provider.answered.get(key.source.reference)
            if state.last_success is None or not answers:
                continue
            age_s = self.world.wall - state.last_success
            assert age_s >= self.provider.true_s - answers[-1][0] - 1
            assert age_s >= -1

    @invariant()
    def the_store_has_what_is_served(self) -> None:
        if not hasattr(self, "world") or self.world.store.failing:
            return
        for key, state in self._states():
            stored = self.world.store.snapshots.get(key)
            if stored is not None and not len(self.world.manager.states.writes):
                served = b"" if state.served is None else state.served.value.reveal()
                assert stored["value"] == served

    def _states(self) -> list[tuple[SnapshotKey, SnapshotState]]:
        return list(self.world.manager.states.all.items()) if hasattr(self, "world") else []

    def teardown(self) -> None:
        """All is well again: within an interval every tenant's sources are fresh."""
        if not hasattr(self, "world"):
            return
        self.provider.down, self.world.store.failing = None, False
        for faults in (self.provider.faults, self.provider.torn):
            faults.clear()
        for name in REFERENCES[:2]:
            self.rotate(name, good=True)
        for tenant in TENANTS:
            for name in REFERENCES[:2]:
                self._operate((tenant, name))
        self._run(1500)
        for key, state in self._states():
            if key.source.reference != "/gone":
                assert state.served is not None
                assert state.served.version == self.provider.held[key.source.reference][-1][0]
                assert state.served.incarnation == self.provider.marks[key.source.reference]
                rules = TENANTS[key.namespace]
                assert state.last_success is not None
                assert self.world.wall - state.last_success <= rules.budget_s
        super().teardown()


TestRefreshing = Refreshing.TestCase
TestRefreshing.settings = settings(
    max_examples=settings().max_examples * 3 // 5, stateful_step_count=25, deadline=None
)
