"""The command line, a file per command. What a command does is elsewhere; here are its words."""
