"""Files of preferences, in and out: imported, exported, validated."""
