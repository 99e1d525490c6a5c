"""The catalogue, the clients and their fleets, read and validated. No I/O beyond reading files."""
