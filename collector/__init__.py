"""The write side of Kith: wire protocol, durable log, Parquet landing of raw facts."""
