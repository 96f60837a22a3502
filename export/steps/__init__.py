"""The work of each export command, without its command line."""
