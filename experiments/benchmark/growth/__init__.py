"""Time and memory of every route against the problem's size, and against the number of devices."""
