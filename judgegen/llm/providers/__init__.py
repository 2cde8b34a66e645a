"""Where calls are answered: any OpenAI-compatible endpoint, the embedded model, the known-truth simulator."""
