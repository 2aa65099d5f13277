//! The trait over files that the log is written on, and the operating system's implementation.
