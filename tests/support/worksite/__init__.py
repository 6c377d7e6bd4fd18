"""A site whose jobs behave badly: what the process-level tests of the cluster run."""
