"""The ledger's tables. Nothing outside ``vigie.ledger`` sees these objects: queries return plain records."""

from __future__ import annotations

from django.db import models

from vigie.ledger.states import OutcomeStatus, RunStatus


class Identity(models.Model):
    """One row: whose ledger this is. Two providers never share one."""

    provider = models.TextField(unique=True)

    class Meta:
        db_table = "vigie_identity"


class Run(models.Model):
    """The execution of a service for a client, or of a manual request."""

    id = models.CharField(primary_key=True, max_length=36)
    client = models.CharField(max_length=64)
    service = models.CharField(max_length=64)
    tier = models.CharField(max_length=64)
    playbook = models.TextField(default="")
    check_mode = models.BooleanField(default=False)
    limited = models.BooleanField(default=False)
    """Asked for a part of the client's fleet only; such a run never satisfies the client's schedule."""
    status = models.CharField(max_length=16, default=RunStatus.RUNNING.value)
    requested_by = models.TextField(default="")
    reason = models.TextField(default="")
    revision = models.TextField(null=True)
    vigie_version = models.CharField(max_length=64, default="")
    ansible_version = models.CharField(max_length=64, default="")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    owner_host = models.TextField(default="")
    owner_boot = models.CharField(max_length=64, default="")
    owner_pid = models.BigIntegerField(null=True)
    owner_started = models.FloatField(null=True)
    """Seconds since the epoch at which the owner's process started: a reused pid is another process."""

    source = models.TextField(default="")
    """The results file this was read from."""
    digest = models.CharField(max_length=64, default="")
    lines = models.PositiveIntegerField(default=0)
    complete = models.BooleanField(default=False)
    """Whether ``run_finished`` was read."""

    class Meta:
        db_table = "vigie_run"
        indexes = (
            models.Index(fields=["-started_at"], name="vigie_run_started"),
            models.Index(fields=["client", "service", "-started_at"], name="vigie_run_client_service"),
            models.Index(fields=["status"], name="vigie_run_status"),
        )


class Outcome(models.Model):
    """What a run did on one host; also where the host's measurements and results of that run hang."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="outcomes")
    client = models.CharField(max_length=64)
    """The run's client, repeated for the index: a host that changed hands starts anew."""
    host = models.CharField(max_length=255)
    tier = models.CharField(max_length=64, default="")
    parameters = models.JSONField(null=True)
    """The thresholds in force; null when the run never came to this host."""
    status = models.CharField(max_length=16, default=OutcomeStatus.RUNNING.value)
    ok = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    unreachable = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    rescued = models.PositiveIntegerField(default=0)
    ignored = models.PositiveIntegerField(default=0)
    duration = models.FloatField(null=True)
    """Seconds."""
    evaluated_at = models.DateTimeField(null=True)
    """When controls were judged; null when the run measured nothing here."""

    class Meta:
        db_table = "vigie_outcome"
        constraints = (models.UniqueConstraint(fields=["run", "host"], name="vigie_outcome_run_host"),)
        indexes = (models.Index(fields=["client", "host", "-evaluated_at"], name="vigie_outcome_evaluated"),)


class Measurement(models.Model):
    """A raw value read on a host, from its repository or from a server: either a value or an error."""

    outcome = models.ForeignKey(Outcome, models.CASCADE, related_name="measurements")
    client = models.CharField(max_length=64)
    host = models.CharField(max_length=255)
    name = models.CharField(max_length=128)
    value = models.JSONField(null=True)
    error = models.TextField(null=True)
    source = models.TextField(default="")
    measured_at = models.DateTimeField()

    class Meta:
        db_table = "vigie_measurement"
        indexes = (
            models.Index(fields=["client", "host", "name", "-measured_at"], name="vigie_measurement_latest"),
        )


class Result(models.Model):
    """A control judged on one host."""

    outcome = models.ForeignKey(Outcome, models.CASCADE, related_name="results")
    control = models.CharField(max_length=64)
    title = models.TextField()
    family = models.CharField(max_length=64)
    severity = models.CharField(max_length=16)
    state = models.CharField(max_length=16)
    detail = models.TextField(default="")
    remedy = models.TextField(default="")
    observed = models.TextField(default="")
    expected = models.TextField(default="")
    measured_at = models.DateTimeField(null=True)
    valid_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "vigie_result"
        constraints = (models.UniqueConstraint(fields=["outcome", "control"], name="vigie_result_control"),)


class Change(models.Model):
    """What a run altered on a host."""

    outcome = models.ForeignKey(Outcome, models.CASCADE, related_name="changes")
    role = models.TextField(default="")
    task = models.TextField(default="")
    kind = models.CharField(max_length=32)
    name = models.TextField()
    before = models.TextField(null=True)
    after = models.TextField(null=True)
    time = models.DateTimeField()

    class Meta:
        db_table = "vigie_change"


class Failure(models.Model):
    """A task that failed on a host, or a host that could not be reached."""

    outcome = models.ForeignKey(Outcome, models.CASCADE, related_name="failure_messages")
    role = models.TextField(default="")
    task = models.TextField(default="")
    message = models.TextField()
    unreachable = models.BooleanField(default=False)
    time = models.DateTimeField()

    class Meta:
        db_table = "vigie_failure"


class UpdateSeen(models.Model):
    """Since when this package version is known to be available: seen waiting on any host, or dated earlier.

    The last rung of the patch clock: an update that nothing dates has been available at least since then.
    """

    package = models.TextField()
    version = models.TextField()
    first_seen = models.DateTimeField()

    class Meta:
        db_table = "vigie_update_seen"
        constraints = (models.UniqueConstraint(fields=["package", "version"], name="vigie_update_seen_once"),)
