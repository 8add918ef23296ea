"""What goes wrong from outside: kills, signals, full disks, flipped bits, hostile files.

`docs/reliability.md` says which rounds were run, and with what result.
"""
