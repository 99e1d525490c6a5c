"""The ledger as a Django application."""

from __future__ import annotations

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Registers the models of ``vigie.ledger``; its tables are named ``vigie_*``."""

    name = "vigie.ledger"
    label = "ledger"
    verbose_name = "Vigie ledger"
