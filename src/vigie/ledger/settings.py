"""Django's settings for the ledger. The database is chosen by ``vigie.ledger.database.connect``, not here."""

from __future__ import annotations

INSTALLED_APPS = ["vigie.ledger"]
DATABASES: dict[str, dict[str, object]] = {}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LOGGING_CONFIG = None
