"""The commands of `simzss`, one file each: read the arguments, call the rooms below, print the result."""
