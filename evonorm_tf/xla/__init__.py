"""Running a function as an XLA program of its own, whatever the device."""
