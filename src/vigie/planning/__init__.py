"""From commitments and windows to occurrences: what is due, for whom, and when next."""
