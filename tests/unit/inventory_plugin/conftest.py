"""The same provider's directory as the tests of the package use."""

from tests.unit.subscriptions.conftest import directory, edit

__all__ = ["directory", "edit"]
