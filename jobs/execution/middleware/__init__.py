"""What stands around the execution of a job: see `contract`."""
