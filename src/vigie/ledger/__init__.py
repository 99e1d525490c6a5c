"""What really happened: runs, outcomes, measurements, results and changes (Django ORM)."""
