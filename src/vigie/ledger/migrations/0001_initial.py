import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("provider", models.TextField(unique=True)),
            ],
            options={
                "db_table": "vigie_identity",
            },
        ),
        migrations.CreateModel(
            name="Outcome",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("client", models.CharField(max_length=64)),
                ("host", models.CharField(max_length=255)),
                ("tier", models.CharField(default="", max_length=64)),
                ("parameters", models.JSONField(null=True)),
                ("status", models.CharField(default="running", max_length=16)),
                ("ok", models.PositiveIntegerField(default=0)),
                ("changed", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("unreachable", models.PositiveIntegerField(default=0)),
                ("skipped", models.PositiveIntegerField(default=0)),
                ("rescued", models.PositiveIntegerField(default=0)),
                ("ignored", models.PositiveIntegerField(default=0)),
                ("duration", models.FloatField(null=True)),
                ("evaluated_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "vigie_outcome",
            },
        ),
        migrations.CreateModel(
            name="Failure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("role", models.TextField(default="")),
                ("task", models.TextField(default="")),
                ("message", models.TextField()),
                ("unreachable", models.BooleanField(default=False)),
                ("time", models.DateTimeField()),
                (
                    "outcome",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="failure_messages",
                        to="ledger.outcome",
                    ),
                ),
            ],
            options={
                "db_table": "vigie_failure",
            },
        ),
        migrations.CreateModel(
            name="Change",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("role", models.TextField(default="")),
                ("task", models.TextField(default="")),
                ("kind", models.CharField(max_length=32)),
                ("name", models.TextField()),
                ("before", models.TextField(null=True)),
                ("after", models.TextField(null=True)),
                ("time", models.DateTimeField()),
                (
                    "outcome",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="changes",
                        to="ledger.outcome",
                    ),
                ),
            ],
            options={
                "db_table": "vigie_change",
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.CharField(max_length=36, primary_key=True, serialize=False),
                ),
                ("client", models.CharField(max_length=64)),
                ("service", models.CharField(max_length=64)),
                ("tier", models.CharField(max_length=64)),
                ("playbook", models.TextField(default="")),
                ("check_mode", models.BooleanField(default=False)),
                ("limited", models.BooleanField(default=False)),
                ("status", models.CharField(default="running", max_length=16)),
                ("requested_by", models.TextField(default="")),
                ("reason", models.TextField(default="")),
                ("revision", models.TextField(null=True)),
                ("vigie_version", models.CharField(default="", max_length=64)),
                ("ansible_version", models.CharField(default="", max_length=64)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("owner_host", models.TextField(default="")),
                ("owner_boot", models.CharField(default="", max_length=64)),
                ("owner_pid", models.BigIntegerField(null=True)),
                ("owner_started", models.FloatField(null=True)),
                ("source", models.TextField(default="")),
                ("digest", models.CharField(default="", max_length=64)),
                ("lines", models.PositiveIntegerField(default=0)),
                ("complete", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "vigie_run",
                "indexes": [
                    models.Index(fields=["-started_at"], name="vigie_run_started"),
                    models.Index(
                        fields=["client", "service", "-started_at"],
                        name="vigie_run_client_service",
                    ),
                    models.Index(fields=["status"], name="vigie_run_status"),
                ],
            },
        ),
        migrations.AddField(
            model_name="outcome",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="outcomes",
                to="ledger.run",
            ),
        ),
        migrations.CreateModel(
            name="UpdateSeen",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("package", models.TextField()),
                ("version", models.TextField()),
                ("first_seen", models.DateTimeField()),
            ],
            options={
                "db_table": "vigie_update_seen",
                "constraints": [
                    models.UniqueConstraint(fields=("package", "version"), name="vigie_update_seen_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Measurement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("client", models.CharField(max_length=64)),
                ("host", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=128)),
                ("value", models.JSONField(null=True)),
                ("error", models.TextField(null=True)),
                ("source", models.TextField(default="")),
                ("measured_at", models.DateTimeField()),
                (
                    "outcome",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="measurements",
                        to="ledger.outcome",
                    ),
                ),
            ],
            options={
                "db_table": "vigie_measurement",
                "indexes": [
                    models.Index(
                        fields=["client", "host", "name", "-measured_at"],
                        name="vigie_measurement_latest",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Result",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("control", models.CharField(max_length=64)),
                ("title", models.TextField()),
                ("family", models.CharField(max_length=64)),
                ("severity", models.CharField(max_length=16)),
                ("state", models.CharField(max_length=16)),
                ("detail", models.TextField(default="")),
                ("remedy", models.TextField(default="")),
                ("observed", models.TextField(default="")),
                ("expected", models.TextField(default="")),
                ("measured_at", models.DateTimeField(null=True)),
                ("valid_until", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="results",
                        to="ledger.outcome",
                    ),
                ),
            ],
            options={
                "db_table": "vigie_result",
                "constraints": [
                    models.UniqueConstraint(fields=("outcome", "control"), name="vigie_result_control")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="outcome",
            index=models.Index(
                fields=["client", "host", "-evaluated_at"],
                name="vigie_outcome_evaluated",
            ),
        ),
        migrations.AddConstraint(
            model_name="outcome",
            constraint=models.UniqueConstraint(fields=("run", "host"), name="vigie_outcome_run_host"),
        ),
    ]
