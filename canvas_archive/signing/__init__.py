"""Signed statements about a chain's head or a package: by an SSH key, by a time stamp, or by both.

A signature proves who signed. A time stamp proves that what is stated existed not later than a time. Both are
files that ``ssh-keygen`` and ``openssl`` check without this program.
"""
