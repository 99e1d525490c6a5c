"""What can go wrong in the lab, always with the way out."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked."""


class LabUnavailableError(LabError):
    """This machine cannot run lab hosts: not root, or a program is missing."""
