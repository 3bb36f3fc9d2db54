"""Options that commands take, as frozen dataclasses; a kind of option is declared once.

Options of one command alone stand in the file of that command.
"""
