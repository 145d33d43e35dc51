"""The command line: arguments in, one clear message out when something is wrong."""
