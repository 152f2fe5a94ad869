"""Certificates of our own CA: what is decided, against replicas that race and people who meddle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contract.secret_bytes import SecretBytes
from webhook.certificates import authority, secret
from webhook.certificates.rotation import (
    Ca,
    Leaf,
    Observed,
    PublishCa,
    RetiredCa,
    RotationTimes,
    Save,
    Sign,
    StoredCas,
    leaf_end,
    step,
    trusted,
)

if TYPE_CHECKING:
    from webhook.certificates.rotation import Action

TIMES = RotationTimes(ca_s=400, leaf_s=100, settle_s=6, heal_s=3, slack_s=10)
REPLICAS = st.integers(0, 2)
REQUEST_S = 5.0
"""A request that takes longer has failed."""


@dataclass
class Replica:
    """One replica, perhaps between its reading and its acting."""

    leaf: Leaf | None = None
    read: tuple[StoredCas | None, int] | None = None
    """The Secret and its version; the configuration is not read yet."""
    action: Action | None = None
    versions: tuple[int, int] = (0, 0)
    """Of Secret and configuration, that `action` was decided on."""
    since: float = 0.0


class Rotation(RuleBasedStateMachine):
    """Three replicas, one API server: each read and each write is a moment of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.secret: StoredCas | None = None
        self.trust: tuple[Ca, ...] = ()
        self.versions = [0, 0]
        self.replicas = [Replica() for _ in range(3)]
        self.minted = 0
        self.published: dict[str, float] = {}
        self.excused = False
        """The configuration was emptied by somebody, and not every replica is trusted again."""

    @rule(at=REPLICAS)
    def read_secret(self, at: int) -> None:
        replica = self.replicas[at]
        replica.read, replica.action = (self.secret, self.versions[0]), None
        replica.since = self.now

    @rule(at=REPLICAS)
    def read_configuration(self, at: int) -> None:
        replica = self.replicas[at]
        if replica.read is None:
            return
        cas, version = replica.read
        seen = Observed(cas=cas, bundles=(self.trust,), leaf=replica.leaf)
        replica.action = step(seen, TIMES, self.now)
        replica.versions = (version, self.versions[1])
        replica.read = None

    @rule(at=REPLICAS)
    def act(self, at: int) -> None:
        replica = self.replicas[at]
        action, replica.action = replica.action, None
        if isinstance(action, Save) and replica.versions[0] == self.versions[0]:
            self._save(action)
        elif isinstance(action, PublishCa) and replica.versions[1] == self.versions[1]:
            self._publish(action, replica)
        elif isinstance(action, Sign):
            replica.leaf = Leaf(issuer=action.ca, not_after=leaf_end(action.ca, TIMES, self.now))

    def turn(self, at: int) -> bool:
        """All of one look at once. False: there was nothing to do."""
        self.read_secret(at)
        self.read_configuration(at)
        busy = self.replicas[at].action is not None
        self.act(at)
        return busy

    @rule(at=REPLICAS)
    def look(self, at: int) -> None:
        for _ in range(20):
            if not self.turn(at):
                return
        pytest.fail("it does not come to rest")

    @initialize()
    def begin(self) -> None:
        self.everybody()

    @rule()
    def everybody(self) -> None:
        for at in range(3):
            self.look(at)

    @rule()
    def rotate(self) -> None:
        """Until a CA is due, with everybody looking now and then; then only one acts."""
        while self.secret is None or self.secret.next is None:
            self.everybody()
            self.now += 20
            self.look(0)
        self.now += TIMES.settle_s

    @rule(at=REPLICAS)
    def alone(self, at: int) -> None:
        """The others don't reach the API server for a while, and serve on."""
        for _ in range(13):
            self.look(at)
            self.p11_every_serving_leaf_is_trusted()
            self.now += 5

    def _save(self, action: Save) -> None:
        cas = action.cas
        if action.mint:
            self.minted += 1
            made = Ca(id=f"ca-{self.minted:04}", not_after=self.now + TIMES.ca_s)
            cas = replace(cas, next=made, published=None)
        before = self.secret
        if (
            cas.active is not None
            and before is not None
            and before.active not in {None, cas.active}
        ):
            assert self.now - self.published[cas.active.id] >= TIMES.settle_s
        self.secret = cas
        self.versions[0] += 1

    def _publish(self, action: PublishCa, replica: Replica) -> None:
        cas = self.secret or StoredCas()
        known = {item.ca.id: item.ca for item in cas.retired} | {ca.id: ca for ca in self.trust}
        known |= {ca.id: ca for ca in (cas.active, cas.next) if ca is not None}
        if replica.leaf is not None:
            known[replica.leaf.issuer.id] = replica.leaf.issuer
        self.trust = tuple(known[name] for name in sorted(action.ids) if name in known)
        self.versions[1] += 1
        for name in action.ids:
            self.published.setdefault(name, self.now)

    @rule(seconds=st.sampled_from([0.5, 4.0, 12.0, 35.0, 90.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for replica in self.replicas:
            if self.now - replica.since > REQUEST_S:
                replica.read = replica.action = None

    @rule(at=REPLICAS)
    def restart(self, at: int) -> None:
        self.replicas[at] = Replica()

    @precondition(lambda self: self.secret is not None)
    @rule(what=st.sampled_from(["all", "active", "next", "retired"]))
    def lose(self, what: str) -> None:
        """Somebody deletes the Secret, or half of it."""
        assert self.secret is not None
        lost = {"active": None, "next": None, "retired": ()}
        self.secret = None if what == "all" else replace(self.secret, **{what: lost[what]})  # type: ignore[arg-type]
        self.versions[0] += 1

    @precondition(lambda self: self.trust != ())
    @rule()
    def wipe(self) -> None:
        """Somebody applies the configuration without its caBundle."""
        self.trust = ()
        self.versions[1] += 1
        self.excused = True

    @invariant()
    def p11_every_serving_leaf_is_trusted(self) -> None:
        """By what is published at this very moment."""
        ids = {ca.id for ca in self.trust}
        serving = [item.leaf for item in self.replicas if item.leaf is not None]
        wrong = [
            leaf for leaf in serving if leaf.not_after > self.now and leaf.issuer.id not in ids
        ]
        self.excused = self.excused and (bool(wrong) or not self.trust)
        assert self.excused or not wrong

    def teardown(self) -> None:
        """Left alone, every replica serves with a trusted leaf, and old CAs go."""
        for _ in range(60):
            for at in range(3):
                self.look(at)
            self.p11_every_serving_leaf_is_trusted()
            self.now += 10
        for replica in self.replicas:
            seen = Observed(cas=self.secret, bundles=(self.trust,), leaf=replica.leaf)
            assert trusted(seen, self.now)
        assert len(self.trust) <= 3


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=100, stateful_step_count=40)


def test_a_ca_signs_what_it_should() -> None:
    """A leaf that OpenSSL takes, under a name that is the CA's own."""
    one, two = authority.mint(1000, 1_800_000_000), authority.mint(1000, 1_800_000_000)
    assert one.certified.ca.id != two.certified.ca.id
    assert one.certified.ca.not_after == 1_800_001_000
    certificate, key = authority.sign(one, ["127.0.0.1", "a.b.svc"], 1_800_000_000, 1_800_000_500)
    assert len(key) > 0
    assert authority.read_bundle(certificate)[0].ca.not_after == 1_800_000_500
    assert authority.read_authority(one.certified.pem, two.key) is None
    assert authority.read_authority(certificate, one.key) is None


def stored() -> tuple[StoredCas, dict[str, str]]:
    """A whole Secret's data, and what it says."""
    minted = [authority.mint(1000, 1_800_000_000) for _ in range(3)]
    active, following, old = (item.certified.ca for item in minted)
    cas = StoredCas(
        active=active,
        next=following,
        retired=(RetiredCa(ca=old, since=12.5),),
        published=99.0,
    )
    by_id = {item.certified.ca.id: item for item in minted}
    data = secret.write(cas, by_id, {name: item.certified for name, item in by_id.items()})
    return cas, data


def read(data: dict[str, str]) -> StoredCas | None:
    """What is read of a Secret with this data."""
    return secret.read({"metadata": {"resourceVersion": "7"}, "data": data}).cas


def test_the_secret_is_read_as_it_was_written() -> None:
    """Every key, also when the API server has left out what was null."""
    cas, data = stored()
    assert read(data) == cas
    assert read({}) is None
    alone = {key: text for key, text in data.items() if key.startswith("active")}
    assert read(alone) == StoredCas(active=cas.active)


def test_a_secret_of_another_type_is_refused_by_name() -> None:
    """Its type can't be changed, so that only its deletion helps."""
    content = {"type": "kubernetes.io/tls", "metadata": {"resourceVersion": "7"}}
    with pytest.raises(secret.ForeignError, match=r"lastgood-webhook-ca is of type .*: delete it"):
        secret.read(content)


@pytest.mark.parametrize("key", secret.KEYS)
@pytest.mark.parametrize("text", ["", "!", "AAAA", "e30=", None], ids=str)
def test_a_damaged_key_costs_no_more_than_itself(key: str, text: str | None) -> None:
    """Half a pair is none; nothing raises."""
    cas, data = stored()
    found = read({**data, key: text})  # type: ignore[dict-item]  # as a Secret may be
    assert found is not None
    assert found.active == (None if key.startswith("active") else cas.active)
    assert found.next == (None if key.startswith("next") else cas.next)


def test_p8_nothing_that_is_printed_of_a_secret_holds_a_key() -> None:
    """Not even the bytes of a key that is none."""
    _, data = stored()
    found = secret.read({"metadata": {"resourceVersion": "7"}, "data": data})
    assert "PRIVATE" not in repr(found)
    assert isinstance(next(iter(found.authorities.values())).key, SecretBytes)
