"""The lines of ``results.jsonl``, version 1: the interchange format between a run and the ledger.

The published definition is ``docs/schemas/results-1.schema.json``; these models read it fast and with types,
and a test holds the two to the same verdicts.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

SCHEMA = 1


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL stores none


def _storable(value: Any) -> Any:
    """``value`` as both databases can hold it; NaN and infinities are no JSON."""
    if isinstance(value, str):
        return _without_nul(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("numbers must be finite")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _storable(item) for key, item in value.items()}
    return value


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):  # which Python takes for 1
        raise ValueError("must be a number")
    return value


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_utc)]
Text = Annotated[str, AfterValidator(_without_nul)]
Json = Annotated[JsonValue, AfterValidator(_storable)]
Word = Annotated[Text, StringConstraints(min_length=1, max_length=64)]
Host = Annotated[Text, StringConstraints(min_length=1, max_length=255)]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    schema_: Annotated[Literal[1], BeforeValidator(_no_truth_value), Field(alias="schema")]
    run: RunId
    seq: Count
    """From 0, per run, without gaps."""
    time: Time


class Versions(BaseModel):
    """What made the run."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    vigie: Word
    ansible: Word


class RunStarted(_Line):
    """The first line of a run."""

    type: Literal["run_started"]
    client: Word | None
    """None for hosts of no client."""
    service: Word
    playbook: Text
    check: bool
    """Whether Ansible only said what it would do."""
    revision: Text | None
    """The commit of the provider's directory."""
    versions: Versions


class HostLine(_Line):
    """A host the play targeted, and the thresholds its tier demands."""

    type: Literal["host"]
    host: Host
    tier: Annotated[Text, StringConstraints(max_length=64)] | None
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_storable)]


class MeasurementLine(_Line):
    """A raw value, or why there is none."""

    type: Literal["measurement"]
    host: Host
    name: Annotated[Text, StringConstraints(min_length=1, max_length=128)]
    value: Json = None
    error: Text = ""
    source: Text
    measured_at: Time

    @model_validator(mode="after")
    def _value_or_error(self) -> MeasurementLine:
        if len(self.model_fields_set & {"value", "error"}) != 1:
            raise ValueError("either value or error is needed, and not both")
        return self

    @property
    def failed(self) -> bool:
        """Whether there is no value but the reason why."""
        return "error" in self.model_fields_set


class ChangeLine(_Line):
    """What was altered on a host (in check mode: what would have been)."""

    type: Literal["change"]
    host: Host
    role: Text | None
    task: Text
    kind: Literal["package", "file", "unit", "repository", "reboot", "other"]
    name: Text
    before: Text | None
    after: Text | None


class FailureLine(_Line):
    """A task that failed, or a host not reached."""

    type: Literal["failure"]
    host: Host
    role: Text | None
    task: Text
    message: Text
    unreachable: bool


class OutcomeLine(_Line):
    """The recap of one host."""

    type: Literal["outcome"]
    host: Host
    status: Literal["ok", "changed", "failed", "unreachable", "skipped"]
    ok: Count
    changed: Count
    failures: Count
    unreachable: Count
    skipped: Count
    rescued: Count
    ignored: Count
    duration: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Seconds."""


class RunFinished(_Line):
    """The last line of a run. A run without it was interrupted."""

    type: Literal["run_finished"]
    processed: Count
    """Number of hosts in the recap."""


Line = RunStarted | HostLine | MeasurementLine | ChangeLine | FailureLine | OutcomeLine | RunFinished
_ADAPTER: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])


def parse(raw: bytes) -> Line:
    """One line.

    Raises:
        pydantic.ValidationError: It is not JSON, or not a line of version 1.
    """
    if b"\\ud" in raw.lower():
        raw = _without_lone_surrogates(raw)
    return _ADAPTER.validate_json(raw)


def _without_lone_surrogates(raw: bytes) -> bytes:
    """Bytes that are no text reach us as half a surrogate pair each; databases refuse them."""
    try:
        text = json.dumps(json.loads(raw), ensure_ascii=False)
    except ValueError:
        return raw  # let the real parser say why
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
