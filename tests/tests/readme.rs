//! Every command of README.md, run word for word.
