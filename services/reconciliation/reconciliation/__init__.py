"""reconciliation: compares what each marketplace shows with what the hub holds, and tells where they disagree."""
