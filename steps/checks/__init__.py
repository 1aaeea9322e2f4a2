"""What is looked at before a run, for the steps that check the inputs."""
