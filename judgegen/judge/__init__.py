"""The stage that compares: build comparisons into calls, read outcomes into verdicts, decide a ranking."""
