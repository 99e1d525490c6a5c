"""Scores and tables over results: what was promised, delivered and missed."""
