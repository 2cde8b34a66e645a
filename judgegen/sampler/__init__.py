"""The stage that draws candidates: build a prompt into calls, read outcomes into candidates, screen them."""
