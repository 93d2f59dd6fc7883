"""Planned faults: one engine, and for each protocol a table of its stages, conditions and actions."""
