"""One isolated child process per run, its progress, its verdict, and the way back to the ledger."""
