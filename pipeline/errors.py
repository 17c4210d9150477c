"""Errors that a user can put right: the command line prints them without a traceback and exits with 2."""


class UserError(Exception):
    """Something the user gave is wrong; the message names the file, the field and the fix."""
