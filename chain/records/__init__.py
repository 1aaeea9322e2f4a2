"""What is done already, with what, and whose the output folder is."""
