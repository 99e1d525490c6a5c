"""The ledger's schema, step by step; a migration that was released is never edited."""
