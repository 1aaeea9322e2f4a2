"""What is asked on the command line beside a run."""
