"""What the provider's files may say: the shapes of ``provider.yml``, ``catalogue.yml`` and ``clients/*.yml``.

Unknown keys are errors everywhere. ``vigie schema`` writes these models as JSON Schemas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, model_validator

from ansible_collections.vigie.msp.plugins.module_utils import subscriptions as derivation
from vigie.subscriptions.fields import (
    AbsolutePath,
    Clock,
    Date,
    Days,
    Duration,
    Email,
    Every,
    Length,
    Overrides,
    Slug,
    TimeZone,
    zone,
)

ServiceName = Literal["monitor", "patch", "backup", "audit", "verify", "drill", "report"]
SERVICE_ORDER: tuple[ServiceName, ...] = ("monitor", "patch", "backup", "audit", "verify", "drill", "report")
"""The order in which the services of one client run."""
WINDOWED: frozenset[str] = frozenset({"patch"})
"""Services that may interrupt work, and so run inside a client's windows only."""

Language = Literal["en", "fr"]
Priority = Literal["p1", "p2", "p3"]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Money = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2, strict=False)]
Percent = Annotated[int, Field(ge=0, le=100)]


class _Strict(BaseModel):
    """A mapping in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Audit(_Strict):
    """Measuring the hosts, read-only."""

    every: Every
    """How often hosts are measured."""
    index_age: Length | None = None
    """Package indexes are refreshed at least this often (PAT-04)."""
    support_left: Duration | None = None
    """The operating system has more support left than this (PAT-09)."""
    ssh_password_login: Literal["allowed", "forbidden"] = "allowed"  # noqa: S105 - no password
    """Whether SSH may accept passwords (HRD-02)."""
    disk_used_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """File systems stay below this (MON-05)."""


class Patch(_Strict):
    """Installing updates, inside the client's windows."""

    every: Every
    """How often a patch window is used."""
    scope: Literal["none", "security", "all"]
    """Which updates a run installs."""
    security_within: Length | None = None
    """A security update is installed within this time of being available (PAT-01)."""
    other_within: Length | None = None
    """Any other update likewise (PAT-03); measured also where `scope` leaves them to the operator."""
    reboot_within: Length | None = None
    """A restart that updates require happens within this time (PAT-06)."""
    emergency: bool = False
    """Whether known exploited vulnerabilities are patched outside the windows."""


class Retention(_Strict):
    """How long snapshots are kept; `0d` keeps none of that kind."""

    daily: Length
    """One snapshot a day, for this long."""
    monthly: Duration = timedelta()
    """One a month."""
    yearly: Duration = timedelta()
    """One a year."""


class Backup(_Strict):
    """Saving files to the provider's backup server."""

    every: Every
    """The recovery point objective (RPO, PDMA): the host's own timer runs at it."""
    paths: Annotated[list[AbsolutePath], Field(min_length=1)]
    """What is saved."""
    retention: Retention


class Verify(_Strict):
    """Checking that the repository is sound."""

    every: Every
    read_data_percent: Percent = 0
    """How much of the stored data each check reads; 0 checks the structure alone."""
    full_every: Every | None = None
    """How often all data is read."""


class Drill(_Strict):
    """Proving that a restore works, timed and compared."""

    every: Every


class Monitor(_Strict):
    """Watching hosts through an agent."""

    every: Every
    """How often the agent's installation is enforced."""
    scrape_interval: Length
    """How often the agent is read."""
    declared_dead_after: Length
    """Silence of this length raises an alert (MON-01)."""

    @model_validator(mode="after")
    def _dead_after_missed_scrapes(self) -> Monitor:
        if self.declared_dead_after <= self.scrape_interval:
            raise ValueError("declared_dead_after must be longer than scrape_interval")
        return self


class Report(_Strict):
    """The client's report."""

    every: Every
    review_every: Every | None = None
    """How often it is gone through with the client."""


class Services(_Strict):
    """What a tier promises. A service the tier does not offer is absent."""

    monitor: Monitor | None = None
    patch: Patch | None = None
    backup: Backup | None = None
    audit: Audit | None = None
    verify: Verify | None = None
    drill: Drill | None = None
    report: Report | None = None

    @model_validator(mode="after")
    def _something_offered(self) -> Services:
        if not self.offered:
            raise ValueError("a tier must offer at least one service")
        return self

    @property
    def offered(self) -> tuple[ServiceName, ...]:
        """The services present, in the order they run."""
        return tuple(name for name in SERVICE_ORDER if getattr(self, name) is not None)


class Fee(_Strict):
    """The flat monthly fee: `base` plus `per_host` for each host; incidents never change it."""

    base: Money
    per_host: Money = Decimal(0)


class Support(_Strict):
    """When people answer."""

    hours: Annotated[str, StringConstraints(pattern=r"^([1-7]x([1-9]|1[0-9]|2[0-4])|24x7)$")]
    """Days per week x hours per day, like `5x9`; round the clock is `24x7`."""
    on_call: list[Priority] = Field(default_factory=list)
    """Priorities answered outside these hours too."""
    response: dict[Priority, Length]
    """The time to a first answer, by priority."""


class Tier(_Strict):
    """A subscription level: a flat monthly fee and service levels."""

    title: Annotated[dict[Language, Text], Field(min_length=1)]
    monthly_fee: Fee
    support: Support | None = None
    client_may_override: list[str] = Field(default_factory=list)
    """Dotted keys below `services` that a client's file may override."""
    services: Services
    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The tier's key in the catalogue."""
        return self._name

    def named(self, name: str) -> Tier:
        """This tier, knowing its own name."""
        self._name = name
        return self

    @property
    def audit_parameters(self) -> dict[str, Any]:
        """The flat thresholds an audit judges a host by (``compliance_audit_parameters``)."""
        return derivation.audit_parameters(self.plain_services)

    @property
    def plain_services(self) -> dict[str, Any]:
        """The services as they are written in YAML."""
        plain: dict[str, Any] = self.services.model_dump(mode="json", exclude_none=True)
        return plain

    def cadence(self, service: str) -> timedelta | None:
        """The time between two runs of ``service``; None when the tier does not offer it."""
        settings = self.plain_services.get(service)
        return timedelta(seconds=derivation.run_cadence(service, settings)) if settings else None


class Catalogue(_Strict):
    """`catalogue.yml`: the tiers a provider sells."""

    version: Literal[1]
    """The format of this file."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    """Of the monthly fees: three letters, like EUR."""
    tiers: Annotated[dict[Slug, Tier], Field(min_length=1)]


class Window(_Strict):
    """A time in which services may interrupt the client's work."""

    days: Days
    """`daily`, or the days on which the window opens."""
    start: Clock
    """When it opens, in the client's time zone."""
    duration: Annotated[Length, Field(le=timedelta(days=7))]
    """How long it stays open, in real hours even when the clocks change."""


class Contact(_Strict):
    """Somebody at the client's."""

    name: Text
    email: Email | None = None
    phone: Text | None = None
    role: Text | None = None


class Client(_Strict):
    """`clients/<slug>.yml`: one customer's subscription."""

    name: Text
    tier: str
    """A tier of the catalogue."""
    start: Date
    """The first day of the subscription."""
    time_zone: TimeZone = ""
    """Of the windows and reports; by default the provider's."""
    language: Language = "en"
    """Of the reports; by default the provider's."""
    contacts: list[Contact] = Field(default_factory=list)
    hosts: Annotated[list[Text], Field(min_length=1)]
    """Inventory groups that are this client's fleet."""
    windows: list[Window] = Field(default_factory=list)
    """When its hosts may be changed; needed by tiers that patch."""
    overrides: Overrides = Field(default_factory=dict)
    """Service levels that differ from the tier's, by dotted key."""
    _slug: str = PrivateAttr(default="")

    @property
    def slug(self) -> str:
        """The name of the client's file."""
        return self._slug

    @property
    def zone(self) -> ZoneInfo:
        """The client's time zone."""
        return zone(self.time_zone)

    def completed(self, slug: str, time_zone: str, language: Language) -> Client:
        """This client knowing its slug, with the provider's defaults where its file is silent."""
        said = self.model_fields_set
        client = self.model_copy(
            update={
                "time_zone": self.time_zone if "time_zone" in said else time_zone,
                "language": self.language if "language" in said else language,
            }
        )
        client._slug = slug
        return client


class BackupServer(_Strict):
    """The provider's backup server."""

    server: Text
    """Its inventory name."""
    address: Text | None = None
    """The name or address at which hosts reach it; by default its `ansible_host`, or its inventory name."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Where hosts append."""
    maintenance_port: Annotated[int, Field(ge=1, le=65535)] = 8001
    """Where the provider alone may also delete."""

    @model_validator(mode="after")
    def _two_doors(self) -> BackupServer:
        if self.port == self.maintenance_port:
            raise ValueError("port and maintenance_port must differ")
        return self


class ProviderFile(_Strict):
    """`provider.yml`: who runs the services."""

    name: Text
    time_zone: TimeZone
    language: Language
    backup: BackupServer | None = None
    """Needed when a tier has backup."""


@dataclass(frozen=True)
class Provider:
    """A provider's directory, read and validated."""

    slug: str
    """The directory's name."""
    directory: Path
    """The directory, absolute."""
    name: str
    time_zone: str
    language: Language
    catalogue: Catalogue
    clients: dict[str, Client]
    """By slug, sorted."""
    revision: str | None
    """The Git commit the files were at, with ``-dirty`` when they differ from it; None outside Git."""
    backup: BackupServer | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The provider's time zone."""
        return zone(self.time_zone)


@dataclass(frozen=True)
class Inventory:
    """The hosts and groups Ansible sees, with the variables of group, host and subscription merged."""

    hosts: dict[str, dict[str, Any]] = field(repr=False)  # values may be secret: never in a message
    groups: dict[str, tuple[str, ...]]
    """All hosts of each group, those of its child groups included."""
    warnings: tuple[str, ...] = ()
    """What Ansible warned about while reading: often that it skipped something."""


@dataclass(frozen=True)
class Fleet:
    """All hosts of a client, and what is promised for them."""

    client: Client
    tier: Tier
    """The client's tier with its overrides applied."""
    hosts: tuple[str, ...]

    @property
    def monthly_fee(self) -> Decimal:
        """The flat fee of one month."""
        return self.tier.monthly_fee.base + self.tier.monthly_fee.per_host * len(self.hosts)
