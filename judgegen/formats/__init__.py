"""Consumers of preferences, one file each: shape and rules."""
