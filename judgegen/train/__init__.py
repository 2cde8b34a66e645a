"""Training here on what a run came to: TRL's trainers over our own exports, on this machine's CPU or GPU."""
