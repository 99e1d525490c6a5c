"""The catalogue, the clients and their fleets, read and validated. No I/O beyond reading files."""

from vigie.subscriptions.fleets import resolve_fleets, unassigned
from vigie.subscriptions.inventory import read_inventory
from vigie.subscriptions.loading import default_catalogue, load_catalogue, load_provider
from vigie.subscriptions.models import (
    SERVICE_ORDER,
    WINDOWED,
    Catalogue,
    Client,
    Fleet,
    Inventory,
    Provider,
    Services,
    Tier,
    Window,
)
from vigie.subscriptions.problems import ConfigurationError
from vigie.subscriptions.survey import Survey, load, survey

__all__ = [
    "SERVICE_ORDER",
    "WINDOWED",
    "Catalogue",
    "Client",
    "ConfigurationError",
    "Fleet",
    "Inventory",
    "Provider",
    "Services",
    "Survey",
    "Tier",
    "Window",
    "default_catalogue",
    "load",
    "load_catalogue",
    "load_provider",
    "read_inventory",
    "resolve_fleets",
    "survey",
    "unassigned",
]
