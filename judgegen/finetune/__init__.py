"""Fine-tuning on the pairs: what it costs before it is begun, and the job, made once and followed."""
