"""What programs share: words of a command, files, memory, processes, optional packages."""
